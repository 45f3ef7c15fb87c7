//! The safety rules, each of which can be taken out to see the tests find it.

/// Which rules a node keeps. All of them, always: the switches exist so that the simulation can show that it
/// notices when one is missing.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the tests name each field beside what it breaks
pub struct Rules {
    /// An acceptor persists before it answers.
    pub persist_before_answer: bool,
    /// A Read's answer waits until all that it shows is durable.
    pub durable_reads: bool,
    /// A proposer's own promise is durable before its Accept leaves.
    pub durable_before_accept: bool,
    /// A promise survives a restart.
    pub persist_promises: bool,
    /// An acceptor refuses ballots below its promise.
    pub keep_promises: bool,
    /// A proposer adopts the entry of the highest ballot that its quorum holds.
    pub highest_accepted_wins: bool,
    /// The opening goes up at each start, so that no ballot is used twice.
    pub count_openings: bool,
    /// Each batch asserts that the store's opening is still its own.
    pub check_opening: bool,
    /// Answers for which nothing has to be written are covered by such an assertion, too.
    pub assert_with_answers: bool,
    /// Home uses round 0 once, and not where it has promised or accepted.
    pub home_once: bool,
    /// Only the home seat uses round 0.
    pub home_only: bool,
    /// A read finishes what a minority holds.
    pub finish_minority: bool,
    /// Answers to older questions count for nothing.
    pub match_questions: bool,
    /// Votes count for one ballot only.
    pub count_by_ballot: bool,
    /// A quorum is of the cluster's size, not of those who are connected.
    pub quorum_of_size: bool,
    /// One store a seat, also at founding.
    pub one_store_a_seat: bool,
    /// A store answers for one founding only, and not before it has learned it.
    pub one_founding: bool,
    /// Messages for an older generation are answered Stale.
    pub stale_generations: bool,
    /// A put looks whether a leased entry has ended before it returns it.
    pub put_checks_flags: bool,
    /// And so does a get.
    pub get_checks_flags: bool,
    /// Flags count only from acceptors that knew the entry or were asked by name after it was chosen.
    pub flags_from_knowers: bool,
    /// An end counts as soon as it is accepted, not only when it is learned.
    pub flag_when_accepted: bool,
    /// A get that has finished an end reads the next generation.
    pub read_after_end: bool,
    /// A put does not jump over its own success.
    pub own_leases_first: bool,
    /// An observer takes an answer for that of its last request only.
    pub match_requests: bool,
    /// Who puts for another does so in one generation only.
    pub bind_to_generation: bool,
    /// A put says that it won only once its entry, with its leases, stood at some moment.
    pub win_must_stand: bool,
    /// A generation is opened only once the end of the one before is decided.
    pub finish_ends: bool,
    /// A session ends only when a quorum testifies that its node is lost.
    pub testimony_of_quorum: bool,
    /// Testimony counts for a short time, and the seat that asks must still testify itself.
    pub testimony_is_fresh: bool,
    /// A node that another seat hears is not lost.
    pub vouching: bool,
    /// A node's later boot ends the sessions of the earlier ones.
    pub later_boot_ends: bool,
    /// A seat that accepts an entry whose owner is gone looks after it.
    pub look_at_accepted: bool,
    /// A seat that has just started, or stood still, counts from then on whom it has lost.
    pub count_from_quorum: bool,
    /// Who holds a lock gives it up for good when its session is suspended.
    pub suspended_is_final: bool,
    /// A waiter that was suspended while it waited is not granted what it waited for.
    pub check_before_grant: bool,
    /// An erase ends the latch that it saw, also when it is tried again, and not whatever is there by then.
    pub erase_what_was_seen: bool,
    /// A session lives from when the beat that a quorum answered was sent.
    pub beats_from_sending: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            persist_before_answer: true,
            durable_reads: true,
            durable_before_accept: true,
            persist_promises: true,
            keep_promises: true,
            highest_accepted_wins: true,
            count_openings: true,
            check_opening: true,
            assert_with_answers: true,
            home_once: true,
            home_only: true,
            finish_minority: true,
            match_questions: true,
            count_by_ballot: true,
            quorum_of_size: true,
            one_store_a_seat: true,
            one_founding: true,
            stale_generations: true,
            put_checks_flags: true,
            get_checks_flags: true,
            flags_from_knowers: true,
            flag_when_accepted: true,
            read_after_end: true,
            own_leases_first: true,
            match_requests: true,
            bind_to_generation: true,
            win_must_stand: true,
            finish_ends: true,
            testimony_of_quorum: true,
            testimony_is_fresh: true,
            vouching: true,
            later_boot_ends: true,
            look_at_accepted: true,
            count_from_quorum: true,
            suspended_is_final: true,
            check_before_grant: true,
            erase_what_was_seen: true,
            beats_from_sending: true,
        }
    }
}
