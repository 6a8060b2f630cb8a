//! Adapters for other libraries. Messages are opaque values, encoded with postcard.

mod automerge;
mod crdts;
mod loro;
mod yrs;

use self::automerge::Automerge;
use self::crdts::{CounterState, GrowingList, OperationList, SetOperations};
use self::loro::Loro;
use self::yrs::{V1, V2, Yrs};
use crate::contestant::{Contestant, Workload};

/// The name of the containers in documents.
const COUNTER: &str = "counter";
const SET: &str = "set";
const CHAT: &str = "chat";

/// The number of increments up to which automerge is measured. Its time grows with the square of
/// their number: 100,000 take more than three minutes.
const AUTOMERGE_INCREMENTS_MAX: usize = 10_000;

/// Returns all peers of a workload.
pub(crate) fn all(workload: Workload) -> Vec<Contestant> {
    match workload {
        Workload::Counter => vec![
            Contestant::counter::<CounterState>(),
            Contestant::counter::<Loro>(),
            Contestant::counter::<Yrs<V1>>(),
            Contestant::counter::<Yrs<V2>>(),
            Contestant::counter::<Automerge>().up_to(AUTOMERGE_INCREMENTS_MAX),
        ],
        Workload::Set => vec![
            Contestant::set::<SetOperations>(),
            Contestant::set::<Loro>(),
            Contestant::set::<Yrs<V1>>(),
            Contestant::set::<Yrs<V2>>(),
            Contestant::set::<Automerge>(),
        ],
        Workload::Chat => vec![
            Contestant::whole_chat::<GrowingList>(),
            Contestant::trimmed_chat::<OperationList>(),
            Contestant::whole_chat::<Loro>(),
            Contestant::trimmed_chat::<Loro>(),
            Contestant::whole_chat::<Yrs<V1>>(),
            Contestant::trimmed_chat::<Yrs<V1>>(),
            Contestant::whole_chat::<Yrs<V2>>(),
            Contestant::trimmed_chat::<Yrs<V2>>(),
            Contestant::whole_chat::<Automerge>(),
            Contestant::trimmed_chat::<Automerge>(),
        ],
    }
}
