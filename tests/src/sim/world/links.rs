//! Links between hosts, and what passes on them: frames are lost, repeated and late.

use paxoskv_core::replica::Input;
use paxoskv_core::transport::LinkId;

use super::world::{Event, World};

pub(super) struct Link {
    ends: [(usize, u64); 2],
    up: [bool; 2],
}

impl World {
    /// Links two hosts, if they can reach each other and are not linked; and looks again later.
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if self.hosts[a].retired || self.hosts[b].retired {
            return;
        }
        let again = self.dice.between(50_000, 400_000);
        self.after(again, Event::Connect { a, b });
        let linked = self
            .links
            .values()
            .any(|link| link.up != [false; 2] && link.ends.iter().all(|end| end.0 == a || end.0 == b));
        let both_there =
            [a, b].iter().all(|host| self.hosts[*host].node.is_some() && self.hosts[*host].frozen.is_none());
        let cut = self.cut.contains(&(a, b)) || self.cut.contains(&(b, a));
        let twin = self.faulty && self.dice.chance(30);
        if !both_there || cut || linked && !twin {
            return;
        }
        self.next_link += 1;
        let link = self.next_link;
        let [dialer, listener] = if self.dice.chance(500) { [a, b] } else { [b, a] };
        let ends = [(dialer, self.hosts[dialer].start), (listener, self.hosts[listener].start)];
        self.links.insert(link, Link { ends, up: [true; 2] });
        for (side, (host, start)) in ends.into_iter().enumerate() {
            let input = Input::LinkUp {
                link: LinkId(link),
                dialed: side == 0,
                attested: false,
                addresses: vec![format!("host-{host}")],
            };
            let delay = self.dice.below(500);
            self.after(delay, Event::Input { host, start, input });
        }
    }

    pub(super) fn send(&mut self, from: usize, link: LinkId, frame: Vec<u8>) {
        let Some(at) = self.links.get(&link.0) else { return };
        let side = usize::from(at.ends[1].0 == from && at.ends[1].1 == self.hosts[from].start);
        let (to, start) = at.ends[1 - side];
        if !at.up[0] || !at.up[1] || self.cut.contains(&(from, to)) {
            return;
        }
        let copies = match self.faulty {
            true if self.dice.chance(self.plan.loss) => 0,
            true if self.dice.chance(self.plan.repeat) => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let delay = if self.faulty && self.dice.chance(self.plan.late) {
                self.dice.between(1_000, 1_500_000)
            } else {
                self.dice.between(50, self.plan.delay)
            };
            let input = Input::Frame { link, bytes: frame.clone() };
            self.after(delay, Event::Input { host: to, start, input });
        }
    }

    pub(super) fn close(&mut self, host: usize, link: LinkId) {
        let Some(at) = self.links.get(&link.0) else { return };
        let side = usize::from(at.ends[1].0 == host);
        self.take_down(link.0, side);
    }

    /// One side of a link is gone; the other hears of it, if it can.
    fn take_down(&mut self, id: u64, side: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.up[side] = false;
        let ((from, start_of), (to, start), up) = (link.ends[side], link.ends[1 - side], link.up[1 - side]);
        if up && !self.cut.contains(&(from, to)) {
            let delay = self.dice.between(100, 20_000);
            let dead = self.hosts[from].node.is_none() || self.hosts[from].start != start_of;
            let gone = self.plan.attested && dead;
            let input = Input::LinkDown { link: LinkId(id), gone };
            self.after(delay, Event::Input { host: to, start, input });
            if let Some(link) = self.links.get_mut(&id) {
                link.up[1 - side] = false;
            }
        }
        if self.links.get(&id).is_some_and(|link| link.up == [false; 2]) {
            self.links.remove(&id);
        }
    }

    /// A host is gone, and all its links with it.
    pub(super) fn take_down_all(&mut self, host: usize) {
        let links: Vec<u64> = self
            .links
            .iter()
            .filter(|(_, link)| link.ends.iter().any(|end| end.0 == host))
            .map(|(id, _)| *id)
            .collect();
        for id in links {
            let Some(link) = self.links.get(&id) else { continue };
            let side = usize::from(link.ends[1].0 == host);
            self.take_down(id, side);
        }
    }
}
