//! `identify`: whose key it is, and which API of that organization is meant.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use super::locate::Located;
use super::refusal::Refusal;
use crate::call::CallRecord;
use crate::keys::{self, Candidate, Identifier, IdentifyError, TICKET_TAG};
use crate::peer::Peer;
use crate::places::KeyPlace;
use crate::snapshot::{ApiRecord, KeyRecord, Snapshot};
use crate::worker::Worker;

/// Key and API of a call.
pub(crate) struct Identified {
    pub(crate) key: Arc<KeyRecord>,
    pub(crate) api: Arc<ApiRecord>,
    /// The key came in the address.
    pub(crate) by_query: bool,
}

/// The key is looked at first: who has none learns nothing about which APIs there are. `offered`
/// is what the headers hold; `address` finds the caller's address, for keys that are tied to some.
pub(crate) fn identify(
    record: &mut CallRecord,
    snapshot: &Snapshot,
    located: &Located<'_>,
    offered: Candidate<'_>,
    address: impl FnOnce(&Peer) -> IpAddr,
) -> Result<Identified, Refusal> {
    let found = find(record, snapshot, located, offered, address);
    if found.is_err() && record.organization_id.is_none() {
        // No key said whose call it is. A slug may be used by several organizations; then it can
        // only be counted, not attributed.
        let guessed = snapshot.api_of_anyone(located.selector);
        record.organization_id = guessed.map(|api| api.organization_id);
        record.api = guessed.cloned();
    }
    found
}

fn find(
    record: &mut CallRecord,
    snapshot: &Snapshot,
    located: &Located<'_>,
    offered: Candidate<'_>,
    address: impl FnOnce(&Peer) -> IpAddr,
) -> Result<Identified, Refusal> {
    let (text, by_query) = match offered {
        Candidate::Text(text) => (text, false),
        Candidate::Ambiguous => return Err(Refusal::Key(IdentifyError::Invalid)),
        Candidate::None => match keys::from_query(located.query) {
            Candidate::Text(text) => (text, true),
            Candidate::None | Candidate::Ambiguous => return Err(Refusal::MissingKey),
        },
    };
    if record.worker.sheds(text) {
        record.worker.gateway.meters.shed.increment(1);
        return Err(Refusal::Overloaded);
    }
    // Where keys in addresses are not accepted, one there is not looked at: the answer must not
    // tell whether it is valid.
    let query_is_closed =
        |api: Option<&Arc<ApiRecord>>| by_query && !api.is_some_and(|api| api.allow_query_key);

    let gateway = &record.worker.gateway;
    let identifier = Identifier {
        snapshot,
        vault: &gateway.vault,
        meters: &gateway.meters,
        hash_key: &gateway.hash_key,
        now_us: record.started_at_us,
        may_guess: may_guess(&record.worker, &record.peer),
        guessed_wrong: Cell::default(),
    };
    let found = identifier.identify(text, &mut record.worker.verified.borrow_mut());
    if identifier.guessed_wrong.get() {
        note_guess(&record.worker, &record.peer);
    }
    let key = match found {
        Ok(key) => key,
        Err(_) if query_is_closed(snapshot.api_of_anyone(located.selector)) => {
            return Err(Refusal::MissingKey);
        }
        Err(error) => {
            if let IdentifyError::Expired { key, organization } = error {
                attribute(record, snapshot, located, organization);
                record.key_id = Some(key);
            }
            return Err(Refusal::Key(error));
        }
    };

    attribute(record, snapshot, located, key.organization_id);
    if query_is_closed(record.api.as_ref()) {
        return Err(Refusal::MissingKey);
    }
    record.key_id = Some(key.id);
    let places = &record.worker.gateway.places;
    // The console's own calls come from where somebody looks at it.
    let is_told = places.is_open() && !text.starts_with(TICKET_TAG);
    if is_told || key.is_tied_to_networks() {
        let address = address(&record.peer);
        if !key.allows_address(address) {
            return Err(Refusal::Address);
        }
        if is_told {
            let place = KeyPlace::new(key.organization_id, key.id, address);
            record.worker.places.borrow_mut().note(place, places);
        }
    }
    let api = record.api.clone().ok_or(Refusal::ApiNotFound)?;
    Ok(Identified { key, api, by_query })
}

/// By the peer's own address: behind a proxy of the operator's guessing is the proxy's to limit,
/// and what the caller writes about itself must not get it a new window.
pub(crate) fn may_guess(worker: &Worker, peer: &Peer) -> bool {
    peer.is_trusted
        || worker
            .guesses
            .borrow()
            .allows(peer.address, worker.timer.now_ms())
}

pub(crate) fn note_guess(worker: &Worker, peer: &Peer) {
    worker
        .guesses
        .borrow_mut()
        .note(peer.address, worker.timer.now_ms());
}

/// The call is that organization's, and so is the API it means.
fn attribute(
    record: &mut CallRecord,
    snapshot: &Snapshot,
    located: &Located<'_>,
    organization: apiverse_contract::OrganizationId,
) {
    record.organization_id = Some(organization);
    record.api = snapshot.api(organization, located.selector).cloned();
}
