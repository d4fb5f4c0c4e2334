//! A conversation over messages that may get lost: items arrive in order, each once, or not at all where the other side has gone.
//!
//! Each side numbers its items and keeps each until the other one has said that it has arrived. What has not arrived in time is sent
//! again, all from the first that is missing. The order of messages between two subjects is the server's promise as long as it lives; a
//! server that is restarted, or a subscriber that is too slow, loses messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::wire::{Packet, encode};

/// The most items of a packet, and about how many bytes it has at most; one item may have more.
const ITEMS: usize = 512;
const BYTES: usize = 256 << 10;

/// One side of a conversation.
#[derive(Debug)]
pub(crate) struct Link {
    session: u64,
    /// Items that have not arrived, as far as is known.
    unconfirmed: VecDeque<ByteBuf>,
    /// The number of the first of them.
    first: u64,
    /// How many of them were sent since the last that is known to be lost.
    sent: usize,
    /// When the first of them was sent, or a newer confirmation came.
    since: Instant,
    /// How many of the other side's items have arrived.
    received: u64,
    /// The other side does not know that yet.
    owes: bool,
}

impl Link {
    pub(crate) fn new(session: u64) -> Link {
        Link {
            session,
            unconfirmed: VecDeque::new(),
            first: 0,
            sent: 0,
            since: Instant::now(),
            received: 0,
            owes: false,
        }
    }

    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// Appends an item, and gives its number.
    pub(crate) fn push<T: Serialize>(&mut self, item: &T) -> u64 {
        self.unconfirmed.push_back(ByteBuf::from(encode(item)));
        self.first + self.unconfirmed.len() as u64 - 1
    }

    /// Whether every item has arrived.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.unconfirmed.is_empty()
    }

    /// The next packet to be sent, if there is any need.
    pub(crate) fn next(&mut self) -> Option<Packet> {
        if self.sent == self.unconfirmed.len() && !self.owes {
            return None;
        }
        Some(self.packet())
    }

    /// A packet, also where there is nothing to be said: the other side hears of this one.
    pub(crate) fn packet(&mut self) -> Packet {
        if self.sent == 0 {
            self.since = Instant::now();
        }
        let mut bytes = 0;
        let rest = self.unconfirmed.iter().skip(self.sent).take(ITEMS);
        let items: Vec<ByteBuf> = rest
            .take_while(|item| {
                let fits = bytes == 0 || bytes + item.len() <= BYTES;
                bytes += item.len();
                fits
            })
            .cloned()
            .collect();
        let first = self.first + self.sent as u64;
        self.sent += items.len();
        self.owes = false;
        Packet {
            session: self.session,
            received: self.received,
            first,
            items,
        }
    }

    /// Sends all again from the first item that has not arrived, where that takes too long.
    pub(crate) fn check(&mut self, patience: Duration) {
        if self.sent > 0 && self.since.elapsed() >= patience {
            self.sent = 0;
        }
    }

    /// A packet has arrived: gives its items that are new, with their numbers. What comes before its turn is dropped, and will come
    /// again.
    pub(crate) fn receive(
        &mut self,
        packet: Packet,
    ) -> impl Iterator<Item = (u64, ByteBuf)> + use<> {
        let known = self.first + self.unconfirmed.len() as u64;
        // What it says has arrived must have been sent.
        if packet.received > self.first && packet.received <= known {
            let count = (packet.received - self.first) as usize;
            self.unconfirmed.drain(..count);
            self.first = packet.received;
            self.sent = self.sent.saturating_sub(count);
            self.since = Instant::now();
        }
        let before = self.received;
        let is_in_turn = packet.first <= before;
        let skip = before.saturating_sub(packet.first) as usize;
        let fresh = packet.items.len().saturating_sub(skip);
        if !packet.items.is_empty() {
            self.owes = true;
        }
        let items = match is_in_turn {
            true => packet.items,
            false => Vec::new(),
        };
        if is_in_turn {
            self.received += fresh as u64;
        }
        (before..).zip(items.into_iter().skip(skip))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Link;
    use crate::wire::decode;

    /// What arrives of a packet's items.
    fn arrive(link: &mut Link, packet: crate::wire::Packet) -> Vec<(u64, u32)> {
        let items = link.receive(packet);
        items
            .map(|(number, item)| (number, decode(&item).expect("a number")))
            .collect()
    }

    #[test]
    fn what_is_lost_comes_again_in_order_and_once() {
        let (mut here, mut there) = (Link::new(1), Link::new(1));
        for item in 0..3_u32 {
            assert_eq!(here.push(&item), u64::from(item));
        }
        let lost = here.next().expect("three items");
        assert_eq!(lost.items.len(), 3);
        here.push(&3_u32);
        let early = here.next().expect("one more");
        assert_eq!(arrive(&mut there, early), []);
        here.check(Duration::ZERO);
        let again = here.next().expect("all of them");
        assert_eq!(arrive(&mut there, again), [(0, 0), (1, 1), (2, 2), (3, 3)]);
        here.check(Duration::ZERO);
        let twice = here.next().expect("the confirmation has not come");
        assert_eq!(arrive(&mut there, twice), []);
        let confirmation = there.next().expect("it owes one");
        assert!(there.next().is_none());
        assert_eq!(arrive(&mut here, confirmation), []);
        assert!(here.is_confirmed() && here.next().is_none());
    }

    #[test]
    fn a_confirmation_of_what_was_not_sent_changes_nothing() {
        let mut here = Link::new(1);
        here.push(&7_u32);
        let mut there = Link::new(1);
        let mut packet = there.packet();
        packet.received = 9;
        assert_eq!(arrive(&mut here, packet), []);
        assert_eq!(here.next().map(|packet| packet.items.len()), Some(1));
    }

    #[test]
    fn long_conversations_are_cut_into_packets() {
        let (mut here, mut there) = (Link::new(1), Link::new(1));
        for item in 0..2_000_u32 {
            here.push(&item);
        }
        let mut arrived = Vec::new();
        while let Some(packet) = here.next() {
            arrived.extend(arrive(&mut there, packet));
        }
        assert_eq!(arrived.len(), 2_000);
        assert!(
            arrived
                .iter()
                .all(|(number, item)| *number == u64::from(*item))
        );
    }
}
