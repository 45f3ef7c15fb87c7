//! The calls that a client makes.

use std::collections::VecDeque;

use crate::cli::args::BenchArgs;
use crate::cli::failure::{Exit, Failure};

/// How many of its own keys a client remembers, to get and erase them.
const REMEMBERED: usize = 1024;

/// Of fresh keys and of values, in bytes.
const KEY: usize = 16;
const VALUE: usize = 64;

/// The plan that all clients follow.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    keys: Option<u64>,
    prefix: String,
    gets: u8,
    erases: u8,
    /// Marks the values of this run.
    run: u64,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Put { key: String, value: String, erasable: bool },
    Get { key: String },
    Erase { key: String },
}

impl Plan {
    pub(super) fn new(args: &BenchArgs) -> Result<Self, Failure> {
        if args.gets + args.erases > 100 {
            let why = "--gets and --erases are percents of all calls: together at most 100";
            return Err(Failure::new(Exit::Usage, why));
        }
        let run = fastrand::u64(..);
        let prefix = args.prefix.clone().unwrap_or_else(|| format!("bench-{:08x}-", run >> 32));
        Ok(Self { keys: args.keys, prefix, gets: args.gets, erases: args.erases, run })
    }
}

/// The calls of one client, without end.
pub(super) struct Calls {
    plan: Plan,
    client: u32,
    puts: u64,
    mine: VecDeque<String>,
}

impl Calls {
    pub(super) fn new(plan: Plan, client: u32) -> Self {
        Self { plan, client, puts: 0, mine: VecDeque::new() }
    }

    pub(super) fn next(&mut self) -> Call {
        let percent = fastrand::u8(0..100);
        if percent < self.plan.gets {
            if let Some(key) = self.some_key() {
                return Call::Get { key };
            }
        } else if percent < self.plan.gets + self.plan.erases
            && let Some(key) = self.some_key()
        {
            return Call::Erase { key };
        }
        self.put()
    }

    /// A key that may have a value: any of the keys of --keys, or one that this client has put.
    fn some_key(&self) -> Option<String> {
        match self.plan.keys {
            Some(keys) => Some(self.numbered(fastrand::u64(..keys))),
            None if self.mine.is_empty() => None,
            None => self.mine.get(fastrand::usize(..self.mine.len())).cloned(),
        }
    }

    fn put(&mut self) -> Call {
        self.puts += 1;
        let key = match self.plan.keys {
            Some(keys) => self.numbered(fastrand::u64(..keys)),
            None => {
                let key = format!("{:0KEY$x}", fastrand::u64(..));
                if self.mine.len() == REMEMBERED {
                    self.mine.pop_front();
                }
                self.mine.push_back(key.clone());
                key
            }
        };
        let value = format!("{:016x}-{}-{}-", self.plan.run, self.client, self.puts);
        Call::Put { key, value: format!("{value:.<VALUE$}"), erasable: self.plan.erases > 0 }
    }

    fn numbered(&self, n: u64) -> String {
        format!("{}{n}", self.plan.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(keys: Option<u64>, gets: u8, erases: u8) -> Plan {
        Plan { keys, prefix: "k".into(), gets, erases, run: 7 }
    }

    #[test]
    fn fresh_keys_have_16_bytes_and_values_64() {
        let mut calls = Calls::new(plan(None, 0, 0), 3);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let Call::Put { key, value, erasable: false } = calls.next() else { panic!("a put") };
            assert_eq!((key.len(), value.len()), (16, 64));
            assert!(seen.insert(key) && seen.insert(value));
        }
    }

    #[test]
    fn keys_are_drawn_from_as_many_as_the_option_says() {
        let mut calls = Calls::new(plan(Some(3), 40, 30), 0);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..300 {
            match calls.next() {
                Call::Put { key, erasable: true, .. } | Call::Get { key } | Call::Erase { key } => {
                    seen.insert(key);
                }
                Call::Put { .. } => panic!("erases need erasable puts"),
            }
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["k0", "k1", "k2"]);
    }

    #[test]
    fn without_anything_to_get_the_first_call_is_a_put() {
        assert!(matches!(Calls::new(plan(None, 100, 0), 0).next(), Call::Put { .. }));
        let mut calls = Calls::new(plan(None, 100, 0), 0);
        calls.next();
        assert!(matches!(calls.next(), Call::Get { .. }));
    }
}
