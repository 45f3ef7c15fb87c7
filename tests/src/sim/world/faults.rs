//! What goes wrong, and how it is made good again.

use paxoskv_core::replica::Input;

use super::oracle::Disk;
use super::world::{Event, Mend, World};

impl World {
    /// Something goes wrong, now and again.
    pub(super) fn fault(&mut self) -> Result<(), String> {
        if !self.faulty {
            return Ok(());
        }
        let next = self.dice.between(1, 2 * self.plan.fault_every);
        self.after(next, Event::Fault);
        let plan = &self.plan;
        let weights = [
            plan.crash,
            plan.partition,
            plan.freeze,
            plan.take_over,
            plan.swap_disk,
            plan.jump,
            plan.blackout,
            plan.restart,
        ];
        let mut at = self.dice.below(weights.iter().sum());
        let kind = weights.iter().position(|weight| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let host = usize::try_from(self.dice.below(self.hosts.len() as u64)).unwrap_or(0);
        match kind {
            Some(0) => self.crash_for_a_while(host),
            Some(1) => {
                self.partition(host);
                Ok(())
            }
            Some(2) => {
                self.freeze(host);
                Ok(())
            }
            Some(3) => {
                self.take_over(host);
                Ok(())
            }
            Some(4) => self.swap_disk(host),
            Some(5) => {
                self.hosts[host].ahead += self.dice.between(10_000, 120_000_000);
                Ok(())
            }
            Some(7) => self.restart_two(host),
            Some(6) => (0..self.hosts.len()).try_for_each(|host| self.crash_for_a_while(host)),
            _ => Ok(()),
        }
    }

    fn crash_for_a_while(&mut self, host: usize) -> Result<(), String> {
        if self.hosts[host].retired {
            return Ok(());
        }
        self.crash(host)?;
        let down = self.dice.between(1_000, 800_000);
        self.after(down, Event::Start { host });
        Ok(())
    }

    fn restart_two(&mut self, host: usize) -> Result<(), String> {
        let seats = usize::from(self.plan.seats);
        for seat in [host % seats, (host + 1) % seats] {
            self.crash(seat)?;
            let down = self.dice.between(1_000, 40_000);
            self.after(down, Event::Start { host: seat });
        }
        Ok(())
    }

    /// Cuts one host off from some of the others, in one direction or both.
    fn partition(&mut self, host: usize) {
        let one_way = self.dice.chance(350);
        let length = self.dice.between(5_000, 2_000_000);
        for other in 0..self.hosts.len() {
            if other == host || self.dice.chance(300) {
                continue;
            }
            let mut ways = vec![(host, other), (other, host)];
            if one_way {
                let skip = usize::from(self.dice.chance(500));
                ways.remove(skip);
            }
            for (from, to) in ways {
                self.cut.insert((from, to));
                self.after(length, Event::Mend { what: Mend::Cut(from, to) });
            }
        }
    }

    fn freeze(&mut self, host: usize) {
        if self.hosts[host].node.is_some() && self.hosts[host].frozen.is_none() {
            self.hosts[host].frozen = Some(Vec::new());
            let length = self.dice.between(10_000, 2_500_000);
            self.after(length, Event::Mend { what: Mend::Thaw(host) });
        }
    }

    /// A second process opens the store of one that stands still, which goes on later as if nothing had been.
    fn take_over(&mut self, host: usize) {
        let at = &self.hosts[host];
        if at.node.is_none()
            || at.frozen.is_some()
            || at.disk.is_none_or(|disk| disk >= self.seats())
            || self.disks.len() > self.seats()
            || at.retired
            || self.hosts.len() > 12
        {
            return;
        }
        self.freeze(host);
        let (seat, disk) = (self.hosts[host].seat, self.hosts[host].disk);
        self.hosts[host].retired = true;
        self.host_lost(host);
        self.owners_lost(host);
        let heir = self.add_host(seat, disk);
        // Who was cut off from the one need not be from the other: that is what makes this dangerous.
        self.clients.move_on(host, heir);
        for other in 0..heir {
            if other != host && self.dice.chance(400) {
                let length = self.dice.between(100_000, 2_000_000);
                for (from, to) in [(heir, other), (other, heir)] {
                    self.cut.insert((from, to));
                    self.after(length, Event::Mend { what: Mend::Cut(from, to) });
                }
            }
        }
    }

    /// How many disks there were in the beginning.
    fn seats(&self) -> usize {
        usize::from(self.plan.seats) + usize::from(self.plan.double_seat)
    }

    /// A seat comes back with an empty disk, and some time later with its own.
    fn swap_disk(&mut self, host: usize) -> Result<(), String> {
        let Some(own) = self.hosts[host].disk else { return Ok(()) };
        // One at a time: a quorum of empty disks would found a cluster of its own, as it should.
        let swapped = self.hosts.iter().any(|host| host.disk.is_some_and(|disk| disk >= self.seats()));
        let shared = self.hosts.iter().filter(|other| other.disk == Some(own)).count() > 1;
        // Before a store is seated, an empty disk is as good as the other; and with a seat that has not heard of the
        // founding, an empty disk would found another cluster, as it should.
        let founded = self.disks[..self.seats()].iter().all(|disk| disk.cluster_id.is_some());
        let known = founded && self.disks[own].has_voted() && self.disks.len() <= 12;
        if swapped || shared || self.hosts[host].retired || !known {
            return Ok(());
        }
        self.crash(host)?;
        self.disks.push(Disk::default());
        self.hosts[host].disk = Some(self.disks.len() - 1);
        self.after(1_000, Event::Start { host });
        let length = self.dice.between(100_000, 2_500_000);
        self.after(length, Event::Mend { what: Mend::Disk(host, own) });
        Ok(())
    }

    pub(super) fn mend(&mut self, what: Mend) -> Result<(), String> {
        match what {
            Mend::Cut(from, to) => {
                self.cut.remove(&(from, to));
                Ok(())
            }
            Mend::Thaw(host) => {
                let waiting = self.hosts[host].frozen.take().unwrap_or_default();
                // It sees the time before all else.
                self.input(host, Input::Tick)?;
                for event in waiting {
                    let delay = self.dice.below(2_000);
                    self.after(delay, event);
                }
                Ok(())
            }
            Mend::Disk(host, own) => {
                self.crash(host)?;
                self.hosts[host].disk = Some(own);
                self.after(1_000, Event::Start { host });
                Ok(())
            }
        }
    }
}
