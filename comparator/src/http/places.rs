//! Who may be connected: a bound for all, a share of it for each address, and a few places beside them for what must always be
//! answered.
//!
//! A connection proves itself by a request that passes the guard. Until then it gives way to a newer one if there is no other
//! place: whoever asks at once is answered, however many connections stay silent. What is asked for is known only once a
//! request is read, so a place that is kept for health and operators is given to anybody, for one short request.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::live::door::{Connections, Door, Turned};

/// The places of a server.
pub(super) struct Places {
    bound: Connections,
    door: Arc<Door>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// By when they came.
    each: BTreeMap<u64, Seat>,
    came: u64,
}

struct Seat {
    origin: IpAddr,
    peer: IpAddr,
    kept: bool,
    proven: bool,
    leave: Arc<Notify>,
}

/// The place of one connection; free again when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    peer: IpAddr,
    kept: bool,
    leave: Arc<Notify>,
}

impl Places {
    /// All of them free.
    pub(super) fn new(bound: Connections, door: Arc<Door>) -> Arc<Self> {
        Arc::new(Self { bound, door, open: Mutex::default() })
    }

    /// A place for a connection; none if all are taken by connections that do not give way.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let origin = origin(peer);
        let mut open = self.lock();
        let usual = self.find(&mut open, |seat| !seat.kept && seat.origin == origin, self.bound.per_address)
            && self.find(&mut open, |seat| !seat.kept, self.bound.most);
        let kept = !usual;
        if kept && !self.find(&mut open, |seat| seat.kept, KEPT) {
            self.door.turn_away(peer, Turned::Full);
            return None;
        }
        open.came += 1;
        let (number, leave) = (open.came, Arc::new(Notify::new()));
        open.each.insert(number, Seat { origin, peer, kept, proven: false, leave: Arc::clone(&leave) });
        self.door.opened();
        Some(Place { places: Arc::clone(self), number, peer, kept, leave })
    }

    /// Whether there is room for one more of these; has the oldest of them leave that has proved nothing if there is not.
    fn find(&self, open: &mut Open, of: impl Fn(&Seat) -> bool, most: usize) -> bool {
        if open.each.values().filter(|seat| of(seat)).count() < most {
            return true;
        }
        let oldest = open.each.iter().find(|(_, seat)| of(seat) && !seat.proven).map(|(number, _)| *number);
        let Some(seat) = oldest.and_then(|oldest| open.each.remove(&oldest)) else { return false };
        seat.leave.notify_one();
        self.door.closed();
        self.door.turn_away(seat.peer, Turned::GaveWay);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request of the connection passed the guard: it does not give way any more.
    pub(super) fn prove(&self) {
        if let Some(seat) = self.places.lock().each.get_mut(&self.number) {
            seat.proven = true;
        }
    }

    /// Whether the place is one of those that are kept for health and operators.
    pub(super) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Ready once the connection has to give way.
    pub(super) async fn left(&self) {
        self.leave.notified().await;
    }

    /// Notes that the connection ends before its time.
    pub(super) fn turn_away(&self, reason: Turned) {
        self.places.door.turn_away(self.peer, reason);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // One that had to give way is not there any more.
        if self.places.lock().each.remove(&self.number).is_some() {
            self.places.door.closed();
        }
    }
}

/// What counts as one address: a host has at least 64 bits of IPv6 for itself (RFC 6177).
fn origin(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        four @ IpAddr::V4(_) => four,
    }
}

/// Places for health and operators.
const KEPT: usize = 32;

#[cfg(test)]
mod tests {
    use std::future::Future as _;

    use super::*;

    fn places(most: usize, per_address: usize) -> Arc<Places> {
        Places::new(Connections { most, per_address }, Arc::default())
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    /// Whether a place was told to leave.
    fn must_leave(place: &Place) -> bool {
        let mut left = std::pin::pin!(place.left());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        left.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn one_address_has_a_share_and_the_others_keep_theirs() {
        let places = places(4, 2);
        let mine: Vec<Place> = (0..2).map(|_| places.enter(from(1)).unwrap()).collect();
        mine.iter().for_each(Place::prove);
        assert!(
            places.enter(from(1)).unwrap().is_kept(),
            "the share is taken by connections that proved themselves"
        );
        let others: Vec<Place> = (2..4).map(|last| places.enter(from(last)).unwrap()).collect();
        others.iter().for_each(Place::prove);
        assert!(others.iter().all(|place| !place.is_kept()));
        assert!(places.enter(from(4)).unwrap().is_kept(), "all places are taken");
        drop(mine);
        assert!(!places.enter(from(4)).unwrap().is_kept());
    }

    #[test]
    fn who_proved_nothing_gives_way_the_oldest_first() {
        let places = places(3, 3);
        let all: Vec<Place> = (0..3).map(|_| places.enter(from(1)).unwrap()).collect();
        all[0].prove();
        let newcomer = places.enter(from(2)).unwrap();
        assert!(!newcomer.is_kept());
        assert_eq!(all.iter().map(must_leave).collect::<Vec<_>>(), [false, true, false]);
        drop(all);
        assert_eq!(places.lock().each.len(), 1, "one that gave way frees its place once");
    }

    #[test]
    fn kept_places_are_bounded_too() {
        let places = places(0, 0);
        let kept: Vec<Place> = (0..KEPT).map(|_| places.enter(from(1)).unwrap()).collect();
        let next = places.enter(from(1)).unwrap();
        assert!(next.is_kept() && must_leave(&kept[0]) && !must_leave(&kept[1]));
        kept.iter().chain([&next]).for_each(Place::prove);
        assert!(places.enter(from(1)).is_none());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| origin(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::7"), of("2001:db8:0:1:ffff::"));
        assert_ne!(of("2001:db8:0:1::7"), of("2001:db8:0:2::7"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
