//! From where keys are used, so that a place nobody used one from before can be told.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use apiverse_contract::{KeyId, OrganizationId};
use foldhash::fast::RandomState;
use ipnet::IpNet;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Keys and networks that a worker remembers: a place that is forgotten is told again, and is not
/// new then.
const REMEMBERED: usize = 4096;
/// Places on their way. More are told when they come again.
const ON_THE_WAY: usize = 1024;

/// A key was used from a network: 256 addresses of IPv4, a site (/48) of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyPlace {
    pub organization_id: OrganizationId,
    pub key_id: KeyId,
    pub network: IpNet,
}

impl KeyPlace {
    pub(crate) fn new(organization_id: OrganizationId, key_id: KeyId, address: IpAddr) -> Self {
        let width = match address {
            IpAddr::V4(_) => 24,
            IpAddr::V6(_) => 48,
        };
        let whole = IpNet::from(address);
        Self {
            organization_id,
            key_id,
            network: IpNet::new(address, width).map_or(whole, |network| network.trunc()),
        }
    }
}

/// The places that one worker has told of.
pub(crate) struct Places {
    seen: Box<[u64]>,
    hasher: RandomState,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self {
            seen: vec![0; REMEMBERED].into_boxed_slice(),
            hasher: RandomState::default(),
        }
    }

    /// Tells of a place that is not remembered.
    pub(crate) fn note(&mut self, place: KeyPlace, outlet: &Outlet) {
        // Never that of an empty slot.
        let hash = self.hasher.hash_one(place) | 1;
        let slot = &mut self.seen[(hash >> 32) as usize % REMEMBERED];
        if *slot != hash && outlet.tell(place) {
            *slot = hash;
        }
    }
}

/// Where places go.
pub(crate) struct Outlet {
    sender: Sender<KeyPlace>,
    receiver: parking_lot::Mutex<Option<Receiver<KeyPlace>>>,
    /// Somebody listens.
    is_open: AtomicBool,
}

impl Outlet {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = channel(ON_THE_WAY);
        Self {
            sender,
            receiver: parking_lot::Mutex::new(Some(receiver)),
            is_open: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    fn tell(&self, place: KeyPlace) -> bool {
        self.sender.try_send(place).is_ok()
    }

    pub(crate) fn open(&self) -> Option<Receiver<KeyPlace>> {
        let receiver = self.receiver.lock().take();
        self.is_open.store(receiver.is_some(), Ordering::Relaxed);
        receiver
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn place(key: u128, address: &str) -> KeyPlace {
        let organization_id = OrganizationId(Uuid::from_u128(1));
        let address = address.parse().expect("an address");
        KeyPlace::new(organization_id, KeyId(Uuid::from_u128(key)), address)
    }

    #[test]
    fn a_place_is_a_network_and_is_told_once() {
        let outlet = Outlet::new();
        let mut told = outlet.open().expect("the first one");
        assert!(outlet.open().is_none());
        let mut places = Places::new();
        for _ in 0..3 {
            for one in [
                place(1, "192.0.2.7"),
                place(1, "192.0.2.200"),
                place(2, "192.0.2.7"),
                place(1, "2001:db8:1:2::3"),
                place(1, "2001:db8:1:9::3"),
            ] {
                places.note(one, &outlet);
            }
        }
        let mut networks = Vec::new();
        while let Ok(place) = told.try_recv() {
            networks.push((place.key_id.0.as_u128(), place.network.to_string()));
        }
        let expected = [
            (1, "192.0.2.0/24"),
            (2, "192.0.2.0/24"),
            (1, "2001:db8:1::/48"),
        ];
        assert_eq!(networks, expected.map(|(key, text)| (key, text.to_owned())));
    }

    #[test]
    fn what_nobody_takes_is_told_later() {
        let outlet = Outlet::new();
        let mut told = outlet.open().expect("the first one");
        let mut places = Places::new();
        let many = |n: u128| place(n, "192.0.2.7");
        for n in 0..ON_THE_WAY as u128 {
            places.note(many(n), &outlet);
        }
        places.note(many(1 << 40), &outlet);
        while told.try_recv().is_ok() {}
        places.note(many(1 << 40), &outlet);
        assert_eq!(told.try_recv().ok(), Some(many(1 << 40)));
    }
}
