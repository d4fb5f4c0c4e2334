//! A conversation over messages that may get lost: items arrive in order, each once, or not at all where the other side has gone.
//!
//! An item is cut into pieces that fit into a message. Each side numbers its pieces and keeps each until the other one has said that it
//! has arrived; so many bytes are on their way at a time. What has not arrived in time is sent again, all from the first that is
//! missing. The order of messages between two subjects is the server's promise as long as it lives; a server that is restarted, or a
//! subscriber that is too slow, loses messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::wire::{Packet, encode};

/// How many bytes a piece has at most: a message of it fits where a server takes half a MiB, which is half of what it takes by default.
const PIECE: usize = 128 << 10;

/// How many pieces a packet has at most, and how many bytes, unless it is one piece.
const PIECES: usize = 512;
const BYTES: usize = 256 << 10;

/// How many bytes may be on their way, and how many pieces.
const WINDOW: usize = 2 << 20;
const WINDOW_PIECES: usize = 16 << 10;

/// The first byte of a piece: more of its item follows, or not.
const MORE: u8 = 1;
const LAST: u8 = 0;

/// One side of a conversation.
#[derive(Debug)]
pub(crate) struct Link {
    session: u64,
    /// Pieces that have not arrived, as far as is known.
    unconfirmed: VecDeque<ByteBuf>,
    /// The number of the first of them.
    first: u64,
    /// How many of them were sent since the last that is known to be lost, and their bytes.
    sent: usize,
    sent_bytes: usize,
    /// When the first of them was sent, or a newer confirmation came.
    since: Instant,
    /// How many of the other side's pieces have arrived.
    received: u64,
    /// The pieces of an item whose last one has not.
    unfinished: Vec<u8>,
    /// The other side does not know how many have arrived.
    owes: bool,
}

impl Link {
    pub(crate) fn new(session: u64) -> Link {
        Link {
            session,
            unconfirmed: VecDeque::new(),
            first: 0,
            sent: 0,
            sent_bytes: 0,
            since: Instant::now(),
            received: 0,
            unfinished: Vec::new(),
            owes: false,
        }
    }

    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// Appends an item, and gives its number, which is that of its last piece.
    pub(crate) fn push<T: Serialize>(&mut self, item: &T) -> u64 {
        let bytes = encode(item);
        let mut pieces = bytes.chunks(PIECE).peekable();
        while let Some(piece) = pieces.next() {
            let mut marked = Vec::with_capacity(piece.len() + 1);
            marked.push(if pieces.peek().is_some() { MORE } else { LAST });
            marked.extend_from_slice(piece);
            self.unconfirmed.push_back(ByteBuf::from(marked));
        }
        self.first + self.unconfirmed.len() as u64 - 1
    }

    /// Whether everything has arrived.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.unconfirmed.is_empty()
    }

    /// The next packet to be sent, if there is any need, and room on the way.
    pub(crate) fn next(&mut self) -> Option<Packet> {
        let is_full = self.sent_bytes >= WINDOW || self.sent >= WINDOW_PIECES;
        if (self.sent == self.unconfirmed.len() || is_full) && !self.owes {
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
        let room = WINDOW.saturating_sub(self.sent_bytes).min(BYTES);
        let most = WINDOW_PIECES.saturating_sub(self.sent).min(PIECES);
        let rest = self.unconfirmed.iter().skip(self.sent).take(most);
        let items: Vec<ByteBuf> = rest
            .take_while(|piece| {
                let fits = room > 0 && (bytes == 0 || bytes + piece.len() <= room);
                bytes += if fits { piece.len() } else { 0 };
                fits
            })
            .cloned()
            .collect();
        let first = self.first + self.sent as u64;
        self.sent += items.len();
        self.sent_bytes += bytes;
        self.owes = false;
        Packet {
            session: self.session,
            received: self.received,
            first,
            items,
        }
    }

    /// Sends all again from the first piece that has not arrived, where that takes too long.
    pub(crate) fn check(&mut self, patience: Duration) {
        if self.sent > 0 && self.since.elapsed() >= patience {
            (self.sent, self.sent_bytes) = (0, 0);
        }
    }

    /// A packet has arrived: gives the items of which it has the last piece, with their numbers. What comes before its turn is dropped,
    /// and will come again.
    pub(crate) fn receive(&mut self, packet: Packet) -> Vec<(u64, Vec<u8>)> {
        self.confirm(packet.received);
        if !packet.items.is_empty() {
            self.owes = true;
        }
        let mut items = Vec::new();
        for (number, piece) in (packet.first..).zip(packet.items) {
            if number != self.received {
                continue;
            }
            // Whoever sends no mark sends nothing that can be decoded.
            let (mark, bytes) = piece.split_first().unwrap_or((&LAST, &[]));
            self.received += 1;
            if *mark == LAST && self.unfinished.is_empty() {
                items.push((number, bytes.to_vec()));
            } else {
                self.unfinished.extend_from_slice(bytes);
                if *mark == LAST {
                    items.push((number, std::mem::take(&mut self.unfinished)));
                }
            }
        }
        items
    }

    /// So many pieces have arrived at the other side.
    fn confirm(&mut self, received: u64) {
        let known = self.first + self.unconfirmed.len() as u64;
        // What it says has arrived must have been sent.
        if received <= self.first || received > known {
            return;
        }
        let count = (received - self.first) as usize;
        let bytes: usize = self
            .unconfirmed
            .drain(..count)
            .map(|piece| piece.len())
            .sum();
        self.first = received;
        self.since = Instant::now();
        if count <= self.sent {
            self.sent -= count;
            self.sent_bytes -= bytes;
        } else {
            (self.sent, self.sent_bytes) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Link, PIECE, WINDOW};
    use crate::wire::{Packet, decode};

    /// What arrives of a packet's items.
    fn arrive(link: &mut Link, packet: Packet) -> Vec<(u64, u32)> {
        let items = link.receive(packet).into_iter();
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
        let mut packet = Link::new(1).packet();
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
        assert!((arrived.iter()).all(|(number, item)| *number == u64::from(*item)));
    }

    #[test]
    fn a_long_item_goes_in_pieces_of_which_so_many_are_on_their_way() {
        let (mut here, mut there) = (Link::new(1), Link::new(1));
        let long = "x".repeat(3 * WINDOW);
        let number = here.push(&long);
        assert_eq!(number, (3 * WINDOW / PIECE) as u64);
        here.push(&"short");
        let (mut arrived, mut packets) = (Vec::new(), 0);
        loop {
            let mut bytes = 0;
            while let Some(packet) = here.next() {
                bytes += packet.items.iter().map(|piece| piece.len()).sum::<usize>();
                packets += 1;
                // Every fifth packet is lost.
                if packets % 5 != 0 {
                    arrived.extend(there.receive(packet));
                }
            }
            assert!(bytes <= WINDOW + PIECE, "{bytes}");
            let Some(confirmation) = there.next() else {
                if here.is_confirmed() {
                    break;
                }
                here.check(Duration::ZERO);
                continue;
            };
            assert_eq!(here.receive(confirmation), []);
            here.check(Duration::ZERO);
        }
        let [(first, item), (second, other)] = &arrived[..] else {
            panic!("two items");
        };
        assert_eq!((*first, *second), (number, number + 1));
        assert!(decode::<String>(item).is_some_and(|item| item == long));
        assert_eq!(decode::<String>(other).as_deref(), Some("short"));
    }
}
