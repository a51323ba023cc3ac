//! Whose the objects are that were made a moment ago.
//!
//! The directory learns of a file or a batch with the call's record, which takes its way through
//! the journal. Its maker's client knows the id at once, and so may somebody else.

use std::sync::Arc;

use byok_domain::call::ProviderObject;
use byok_domain::{AnswerReader, CallRecord, Findings, ProjectId, ProviderId, Seen};
use byok_providers::ObjectRef;
use foldhash::quality::RandomState;
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

use crate::directory::ObjectOwner;
use crate::named_objects::Named;
use crate::remembered::bounded;

/// More than are ever under way; a bound all the same.
const MOST: u32 = 100_000;

/// Objects from the end of the answer that named them until the directory knows them.
#[derive(Clone)]
pub(crate) struct MadeObjects {
    owners: Arc<Cache<Object, ObjectOwner, UnitWeighter, RandomState>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Object {
    project: ProjectId,
    provider: ProviderId,
    kind: Arc<str>,
    id: String,
}

impl MadeObjects {
    pub(crate) fn new() -> Self {
        Self { owners: Arc::new(bounded(MOST)) }
    }

    /// The owner, if the object was made here a moment ago.
    pub(crate) fn owner(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        object: &ObjectRef,
    ) -> Option<ObjectOwner> {
        let (project, provider) = (project.clone(), provider.clone());
        let object = Object { project, provider, kind: object.kind.into(), id: object.id.clone() };
        self.owners.get(&object)
    }

    /// The directory knows what `record` bound.
    pub(crate) fn written(&self, record: &CallRecord) {
        for made in &record.objects {
            self.owners.remove(&Object {
                project: record.project.clone(),
                provider: record.provider.clone(),
                kind: Arc::clone(&made.kind),
                id: made.id.clone(),
            });
        }
    }

    /// `reader` of an answer that names objects of its customer's: they are so before the answer's
    /// end is passed on.
    pub(crate) fn noting(
        &self,
        reader: Box<dyn AnswerReader>,
        record: &CallRecord,
        named: Named,
    ) -> Box<dyn AnswerReader> {
        let owner = ObjectOwner { ref_id: record.ref_id.clone(), key: record.key.clone() };
        Box::new(Noting {
            reader,
            made: self.clone(),
            project: record.project.clone(),
            provider: record.provider.clone(),
            named,
            owner,
            objects: Vec::new(),
        })
    }
}

struct Noting {
    reader: Box<dyn AnswerReader>,
    made: MadeObjects,
    project: ProjectId,
    provider: ProviderId,
    named: Named,
    owner: ObjectOwner,
    objects: Vec<ProviderObject>,
}

impl AnswerReader for Noting {
    fn read(&mut self, chunk: &[u8]) -> Seen {
        self.named.read(chunk);
        self.reader.read(chunk)
    }

    fn finish(&mut self) -> Findings {
        let findings = self.reader.finish();
        self.objects = self.named.finish(&findings);
        for object in &self.objects {
            let object = Object {
                project: self.project.clone(),
                provider: self.provider.clone(),
                kind: Arc::clone(&object.kind),
                id: object.id.clone(),
            };
            self.made.owners.insert(object, self.owner.clone());
        }
        findings
    }

    fn objects(&mut self) -> Vec<ProviderObject> {
        std::mem::take(&mut self.objects)
    }
}
