//! A checker for linearizability (Herlihy and Wing 1990), after Wing and Gong 1993 with Lowe's memo of 2017.
//!
//! It looks for one order of operations that agrees with real time (what had returned before another was called comes
//! before it) and with what write-once keys do. Keys are independent, and each is checked alone, unless entries of
//! several are bound to one lease: that ends for all of them in one instant.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// On this key; for the end of a lease, any.
    pub key: u64,
    /// What was asked.
    pub kind: Kind,
    /// When it was called.
    pub call: u64,
    /// When it returned, and what; `None` where it did not return, or returned that it may or may not have happened.
    pub returned: Option<(u64, Answer)>,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To put this entry.
    Put(u64),
    /// To know what is there.
    Get,
    /// To end this lease.
    End(u64),
    /// Nothing: but it was seen that a lease of this entry has ended.
    Over(u64),
    /// To end the entry that is there, whichever that is.
    Erase,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The key has this entry, in this generation.
    Entry(u64, u64),
    /// The key has none.
    Absent,
    /// The entry is over.
    Ended,
}

/// A set of operations, by their places.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn contains(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word & 1 << (at % 64) != 0)
    }

    fn with(&self, at: usize) -> Self {
        let mut words = self.0.clone();
        words.resize(words.len().max(at / 64 + 1), 0);
        words[at / 64] |= 1 << (at % 64);
        Self(words)
    }
}

/// A key: the entry that it has, the generation above which the next one must be, and what took its last entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    entry: Option<u64>,
    above: u64,
    ended_by: Option<usize>,
}

/// All keys that are checked together, and which leases have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    keys: BTreeMap<u64, Key>,
    ended: BTreeSet<u64>,
}

/// The leases that each entry is bound to.
pub type Leases = BTreeMap<u64, Vec<u64>>;

/// Judges one key's history, whose entries are bound to nothing but what [`Kind::Erase`] ends.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check(history: &[Operation]) -> Result<(), String> {
    judge(history, &Leases::new())
}

/// Judges the history of several keys.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check_leased(history: &[Operation], leases: &Leases) -> Result<(), String> {
    // Keys that share a lease belong together; the lowest of them stands for all.
    let mut groups: BTreeMap<u64, u64> =
        history.iter().map(|operation| (operation.key, operation.key)).collect();
    let mut of_lease: BTreeMap<u64, u64> = BTreeMap::new();
    for operation in history {
        let Kind::Put(entry) = operation.kind else { continue };
        for lease in leases.get(&entry).into_iter().flatten() {
            let (own, other) = (groups[&operation.key], *of_lease.entry(*lease).or_insert(operation.key));
            let (low, high) = (own.min(groups[&other]), own.max(groups[&other]));
            groups.values_mut().filter(|group| **group == high).for_each(|group| *group = low);
        }
    }
    let together: BTreeSet<u64> = groups.values().copied().collect();
    for group in together {
        let of_group = |operation: &&Operation| match operation.kind {
            Kind::End(lease) => of_lease.get(&lease).is_some_and(|key| groups[key] == group),
            _ => groups[&operation.key] == group,
        };
        let operations: Vec<Operation> = history.iter().filter(of_group).cloned().collect();
        judge(&operations, leases).map_err(|why| format!("key {group}: {why}"))?;
    }
    Ok(())
}

fn judge(history: &[Operation], leases: &Leases) -> Result<(), String> {
    let mut generations: HashMap<u64, u64> = HashMap::new();
    for operation in history {
        if let Some((_, Answer::Entry(entry, generation))) = operation.returned
            && *generations.entry(entry).or_insert(generation) != generation
        {
            return Err(format!("entry {entry} was seen in two generations"));
        }
    }
    // An operation that never returned and was never seen has changed nothing that was seen, so it need not be placed.
    let operations: Vec<&Operation> = history
        .iter()
        .filter(|operation| match (&operation.returned, operation.kind) {
            (Some(_), _) | (None, Kind::End(_) | Kind::Erase) => true,
            (None, Kind::Put(entry)) => generations.contains_key(&entry),
            (None, Kind::Get | Kind::Over(_)) => false,
        })
        .collect();
    let mut search = Search { operations, leases, generations, seen: HashSet::new(), furthest: Vec::new() };
    if search.place(&Done::default(), &State::default(), &mut Vec::new()) {
        return Ok(());
    }
    let show = |at: &usize| format!("{:?}", search.operations[*at]);
    let placed: Vec<String> = search.furthest.iter().map(show).collect();
    let rest = (0..search.operations.len()).filter(|at| !search.furthest.contains(at));
    let rest: Vec<String> = rest.map(|at| show(&at)).collect();
    Err(format!(
        "not linearizable; the longest order found:\n  {}\nleft:\n  {}\nleases: {leases:?}",
        placed.join("\n  "),
        rest.join("\n  ")
    ))
}

struct Search<'a> {
    operations: Vec<&'a Operation>,
    leases: &'a Leases,
    generations: HashMap<u64, u64>,
    seen: HashSet<(Done, State)>,
    furthest: Vec<usize>,
}

impl Search<'_> {
    /// Whether the operations that are left can be placed after those that are done.
    fn place(&mut self, done: &Done, state: &State, order: &mut Vec<usize>) -> bool {
        if order.len() > self.furthest.len() {
            self.furthest.clone_from(order);
        }
        let mut left: Vec<usize> = (0..self.operations.len()).filter(|at| !done.contains(*at)).collect();
        let returns = left.iter().filter_map(|at| self.operations[*at].returned.map(|(at, _)| at));
        let Some(first_return) = returns.min() else { return true };
        if !self.seen.insert((done.clone(), state.clone())) {
            return false;
        }
        // What may have happened at any time, or never, is tried where nothing else will do.
        left.sort_by_key(|at| self.operations[*at].returned.is_none());
        for at in left {
            if self.operations[at].call > first_return {
                continue;
            }
            let Some(next) = self.apply(state, at) else { continue };
            order.push(at);
            if self.place(&done.with(at), &next, order) {
                return true;
            }
            order.pop();
        }
        false
    }

    fn leases_of(&self, entry: u64) -> &[u64] {
        self.leases.get(&entry).map_or(&[], Vec::as_slice)
    }

    fn is_over(&self, state: &State, entry: u64) -> bool {
        self.leases_of(entry).iter().any(|lease| state.ended.contains(lease))
    }

    /// The keys after an operation, if its answer is what they would say.
    fn apply(&self, state: &State, at: usize) -> Option<State> {
        let operation = self.operations[at];
        let answer = operation.returned.map(|(_, answer)| answer);
        let mut next = state.clone();
        if let Kind::End(lease) = operation.kind {
            next.ended.insert(lease);
            for key in next.keys.values_mut() {
                if key.entry.is_some_and(|entry| self.leases_of(entry).contains(&lease)) {
                    (key.entry, key.ended_by) = (None, Some(at));
                }
            }
            return answer.is_none_or(|answer| answer == Answer::Ended).then_some(next);
        }
        if let Kind::Over(entry) = operation.kind {
            return self.is_over(state, entry).then_some(next);
        }
        let over = matches!(operation.kind, Kind::Put(entry) if self.is_over(state, entry));
        let key = next.keys.entry(operation.key).or_default();
        let says = match (operation.kind, key.entry) {
            (Kind::Get, None) => Answer::Absent,
            (Kind::Get | Kind::Put(_), Some(entry)) => self.named(entry),
            (Kind::Put(_), None) if over => return None,
            (Kind::Put(entry), None) => {
                let generation = self.generations.get(&entry).copied();
                if generation.is_some_and(|generation| generation < key.above) {
                    return None;
                }
                key.above = generation.map_or(key.above, |generation| generation + 1);
                key.entry = Some(entry);
                self.named(entry)
            }
            (Kind::Erase, Some(_)) => {
                (key.entry, key.ended_by) = (None, Some(at));
                Answer::Ended
            }
            // It may have seen the entry that another took from it at the same time.
            (Kind::Erase, None)
                if answer == Some(Answer::Ended) && overlaps(&self.operations, key.ended_by, at) =>
            {
                Answer::Ended
            }
            (Kind::Erase, None) => Answer::Absent,
            (Kind::End(_) | Kind::Over(_), _) => return None,
        };
        answer.is_none_or(|answer| answer == says).then_some(next)
    }

    fn named(&self, entry: u64) -> Answer {
        Answer::Entry(entry, self.generations.get(&entry).copied().unwrap_or(0))
    }
}

/// Whether the one, where there is one, had not returned when the other was called.
fn overlaps(operations: &[&Operation], one: Option<usize>, other: usize) -> bool {
    let returned = one.map(|one| operations[one].returned);
    returned.is_some_and(|returned| returned.is_none_or(|(at, _)| at > operations[other].call))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges a history in which each entry has a latch of its number.
    fn check(history: &[Operation]) -> Result<(), String> {
        let own = |operation: &Operation| match operation.kind {
            Kind::Put(entry) => Some((entry, vec![entry])),
            _ => None,
        };
        check_leased(history, &history.iter().filter_map(own).collect())
    }

    #[test]
    fn a_lease_ends_for_all_its_keys_at_once() {
        let on = |key, operation: Operation| Operation { key, ..operation };
        let leases = Leases::from([(1, vec![9]), (2, vec![9])]);
        let history = |last| {
            [
                op(Kind::Put(1), 0, 1, Answer::Entry(1, 0)),
                on(1, op(Kind::Put(2), 2, 3, Answer::Entry(2, 0))),
                Operation { key: 0, kind: Kind::End(9), call: 0, returned: None },
                op(Kind::Get, 4, 5, Answer::Absent),
                on(1, op(Kind::Get, 6, 7, last)),
            ]
        };
        assert_eq!(check_leased(&history(Answer::Absent), &leases), Ok(()));
        assert!(check_leased(&history(Answer::Entry(2, 0)), &leases).is_err());
    }

    #[test]
    fn an_entry_that_is_bound_to_an_ended_lease_is_not_put() {
        let leases = Leases::from([(1, vec![9])]);
        let end = op(Kind::End(9), 0, 1, Answer::Ended);
        let put = op(Kind::Put(1), 2, 3, Answer::Entry(1, 0));
        assert!(check_leased(&[put.clone(), end.clone()], &leases).is_err());
        let over = op(Kind::Over(1), 2, 3, Answer::Ended);
        let unplaced = Operation { returned: None, ..put };
        assert_eq!(check_leased(&[end, over.clone(), unplaced.clone()], &leases), Ok(()));
        assert!(check_leased(&[over, unplaced], &leases).is_err());
    }

    fn op(kind: Kind, call: u64, at: u64, answer: Answer) -> Operation {
        Operation { key: 0, kind, call, returned: Some((at, answer)) }
    }

    #[test]
    fn overlapping_puts_may_take_either_order_but_one() {
        let one = op(Kind::Put(1), 0, 10, Answer::Entry(2, 0));
        let two = op(Kind::Put(2), 1, 9, Answer::Entry(2, 0));
        assert_eq!(check(&[one.clone(), two]), Ok(()));
        let other = op(Kind::Put(2), 1, 9, Answer::Entry(1, 0));
        assert!(check(&[one, other]).is_err());
    }

    #[test]
    fn a_get_must_see_what_was_put_before_it() {
        let put = op(Kind::Put(1), 0, 1, Answer::Entry(1, 0));
        assert!(check(&[put.clone(), op(Kind::Get, 2, 3, Answer::Absent)]).is_err());
        assert_eq!(check(&[put, op(Kind::Get, 0, 3, Answer::Absent)]), Ok(()));
    }

    #[test]
    fn a_value_that_was_seen_does_not_vanish() {
        let put = Operation { key: 0, kind: Kind::Put(1), call: 0, returned: None };
        let seen = op(Kind::Get, 1, 2, Answer::Entry(1, 0));
        let gone = op(Kind::Get, 3, 4, Answer::Absent);
        assert!(check(&[put.clone(), seen.clone(), gone.clone()]).is_err());
        assert_eq!(check(&[put.clone(), gone]), Ok(()));
        let end = Operation { key: 0, kind: Kind::End(1), call: 2, returned: None };
        assert_eq!(check(&[put, seen, end, op(Kind::Get, 3, 4, Answer::Absent)]), Ok(()));
    }

    #[test]
    fn a_successor_has_a_higher_generation() {
        let history = |generation| {
            [
                op(Kind::Put(1), 0, 1, Answer::Entry(1, 3)),
                op(Kind::End(1), 2, 3, Answer::Ended),
                op(Kind::Put(2), 4, 5, Answer::Entry(2, generation)),
            ]
        };
        assert_eq!(check(&history(4)), Ok(()));
        assert!(check(&history(3)).is_err());
    }

    #[test]
    fn erases_that_overlap_may_end_one_entry_together() {
        let put = op(Kind::Put(1), 0, 1, Answer::Entry(1, 0));
        let erase = |call, at, answer| op(Kind::Erase, call, at, answer);
        let both = [put.clone(), erase(2, 9, Answer::Ended), erase(3, 8, Answer::Ended)];
        assert_eq!(check(&both), Ok(()));
        let later = [put.clone(), erase(2, 3, Answer::Ended), erase(4, 5, Answer::Ended)];
        assert!(check(&later).is_err());
        assert!(check(&[put, erase(2, 3, Answer::Absent)]).is_err());
        assert!(check(&[erase(2, 3, Answer::Ended)]).is_err());
    }

    #[test]
    fn what_was_ended_is_not_seen_again() {
        let history = [
            op(Kind::Put(1), 0, 1, Answer::Entry(1, 0)),
            op(Kind::End(1), 2, 3, Answer::Ended),
            op(Kind::Get, 4, 5, Answer::Entry(1, 0)),
        ];
        assert!(check(&history).is_err());
    }
}
