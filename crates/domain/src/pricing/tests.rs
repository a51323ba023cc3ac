//! Golden costs, look-ups and patches.
