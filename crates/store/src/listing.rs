//! A part of a list, and how long the whole is.

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// At most so many.
    pub limit: u64,
    /// After passing over so many.
    pub offset: u64,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// What is in this part.
    pub data: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

impl<T> Listing<T> {
    /// The same part, each entry as `read` reads it.
    pub(crate) fn try_map<U, E>(
        self,
        read: impl FnMut(T) -> Result<U, E>,
    ) -> Result<Listing<U>, E> {
        let data = self.data.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listing { data, total: self.total })
    }
}
