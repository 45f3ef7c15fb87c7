//! The safety rules. Each can be taken out in a build with the feature `broken-rules`, which only tests have, to see
//! that the tests notice.
//!
//! In any other build a rule is the constant `true`: there is no switch, and the compiler leaves no trace of one.

/// Which rules a replica keeps: all of them, but for one that a test takes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "broken-rules"), allow(unreachable_pub))]
pub struct Rules {
    #[cfg(feature = "broken-rules")]
    without: Option<Rule>,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $name:ident: $rule:ident,)*) => {
        /// A safety rule.
        #[cfg(feature = "broken-rules")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule {
            $($(#[doc = $doc])* $rule,)*
        }

        #[cfg(feature = "broken-rules")]
        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// The rule's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => stringify!($name),)*
                }
            }
        }

        impl Rules {
            $($(#[doc = $doc])*
            #[cfg(feature = "broken-rules")]
            pub fn $name(self) -> bool {
                self.without != Some(Rule::$rule)
            }

            $(#[doc = $doc])*
            #[cfg(not(feature = "broken-rules"))]
            #[allow(dead_code, reason = "some are rules of those who carry the replica")]
            pub(crate) const fn $name(self) -> bool {
                true
            })*
        }
    };
}

#[cfg(feature = "broken-rules")]
impl Rules {
    /// All rules but this one.
    pub fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }
}

rules! {
    /// An acceptor persists before it answers.
    persist_before_answer: PersistBeforeAnswer,
    /// A read's reply waits until all that it shows is durable.
    durable_reads: DurableReads,
    /// A proposer's own promise is durable before its Accept leaves.
    durable_before_accept: DurableBeforeAccept,
    /// A promise survives a restart.
    persist_promises: PersistPromises,
    /// An acceptor refuses ballots below its promise.
    keep_promises: KeepPromises,
    /// A proposer adopts the entry of the highest ballot that its quorum accepted.
    highest_accepted_wins: HighestAcceptedWins,
    /// The opening goes up at each start, so that no ballot is used twice.
    count_openings: CountOpenings,
    /// Each batch asserts that the store's opening is still its own.
    check_opening: CheckOpening,
    /// Answers for which nothing has to be written are covered by such an assertion, too.
    assert_with_answers: AssertWithAnswers,
    /// The home seat uses round 0 once, and not where it has promised or accepted.
    home_once: HomeOnce,
    /// Only the home seat uses round 0.
    home_only: HomeOnly,
    /// A read finishes what only a minority accepted.
    finish_minority: FinishMinority,
    /// Replies to older queries count for nothing.
    match_queries: MatchQueries,
    /// Votes count for one ballot only.
    count_by_ballot: CountByBallot,
    /// A quorum is of the cluster's size, not of those that are connected.
    quorum_of_size: QuorumOfSize,
    /// One store a seat, also at bootstrap.
    one_store_a_seat: OneStoreASeat,
    /// A store votes in one bootstrapped cluster only, and not before it has learned in which.
    one_bootstrap: OneBootstrap,
    /// Messages for an older generation are answered Stale.
    stale_generations: StaleGenerations,
    /// A put checks whether a leased entry has ended before it returns it.
    put_checks_flags: PutChecksFlags,
    /// A get checks whether a leased entry has ended before it returns it.
    get_checks_flags: GetChecksFlags,
    /// Flags count only from acceptors that knew the entry or were asked by name after it was chosen.
    flags_from_knowers: FlagsFromKnowers,
    /// An end counts as soon as it is accepted, not only when it is learned.
    flag_when_accepted: FlagWhenAccepted,
    /// A get that has finished an end reads the next generation.
    read_after_end: ReadAfterEnd,
    /// A put does not jump over its own success.
    own_leases_first: OwnLeasesFirst,
    /// An observer takes a response for that of its last request only.
    match_requests: MatchRequests,
    /// A put on another node's behalf happens in one generation only.
    bind_to_generation: BindToGeneration,
    /// A put reports success only if its entry, with its leases, was in force when a quorum accepted it.
    win_must_be_in_force: WinMustBeInForce,
    /// A generation is opened only once the end of the one before is decided.
    finish_ends: FinishEnds,
    /// A session ends only when a quorum suspects its node.
    suspicion_of_quorum: SuspicionOfQuorum,
    /// A suspicion counts for a short time, and the seat that asks must still suspect the node itself.
    suspicion_is_fresh: SuspicionIsFresh,
    /// A node whose heartbeat another seat relays is not suspected.
    relayed_heartbeats: RelayedHeartbeats,
    /// A node's later boot ends the sessions of the earlier ones.
    later_boot_ends: LaterBootEnds,
    /// A seat that accepts an entry whose owner has left has its session ended.
    check_owner_of_accepted: CheckOwnerOfAccepted,
    /// A seat that has just started, or stood still, counts every silence from then on.
    grace_from_quorum: GraceFromQuorum,
    /// A lock's holder gives it up for good when its session is suspended.
    suspended_is_final: SuspendedIsFinal,
    /// An erase ends the latch that it saw, also when it is tried again, and not whatever is there by then.
    erase_what_was_seen: EraseWhatWasSeen,
    /// A session lives from when the heartbeat that a quorum answered was sent.
    heartbeats_from_sending: HeartbeatsFromSending,
}
