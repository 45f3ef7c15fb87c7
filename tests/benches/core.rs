//! How fast the core is by itself: three seats in one process, on memory, and the codec.
//!
//! `cargo bench -p paxoskv-tests`. Figures are for comparing on one machine; disk and network are not in them.

#![allow(clippy::expect_used)] // a benchmark that cannot go on says why, and stops

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use futures::executor::LocalPool;
use futures::future::join_all;
use futures::task::LocalSpawnExt;
use paxoskv_core::memory::{MemoryStorage, Network, SystemTimer};
use paxoskv_core::wire::{Message, read_frame, write_frame};
use paxoskv_core::{
    Ballot, Bucket, Cluster, Entry, Epoch, Generation, Key, KeyId, Opening, Register, RequestId, Round, Seat,
    Value,
};

/// Three seats on one thread, linked and bootstrapped.
struct Three {
    pool: LocalPool,
    seats: Vec<Cluster>,
    next: u64,
}

impl Three {
    fn new() -> Self {
        let (network, pool) = (Network::new(), LocalPool::new());
        let seats = (1..=3)
            .map(|seat| {
                let (cluster, driver) = Cluster::builder("bench")
                    .seat(seat)
                    .storage(MemoryStorage::new())
                    .transport(network.endpoint(&format!("seat {seat}")))
                    .timer(SystemTimer::new())
                    .entropy([seat; 32])
                    .dial(["seat 1".to_owned()])
                    .build()
                    .expect("the setup is sound");
                pool.spawner()
                    .spawn_local(async { driver.await.expect("memory does not fail") })
                    .expect("a pool");
                cluster
            })
            .collect();
        let mut three = Self { pool, seats, next: 0 };
        three.put(1);
        three
    }

    /// So many fresh keys at once, each put from one seat after the other.
    fn put(&mut self, count: u64) {
        let first = self.next;
        self.next += count;
        let value = [7u8; 64].as_slice();
        let puts = (first..self.next).map(|key| {
            let seat = &self.seats[usize::try_from(key % 3).unwrap_or(0)];
            seat.put(&key, value).into_future()
        });
        for put in self.pool.run_until(join_all(puts)) {
            assert!(put.expect("a quorum is up").won());
        }
    }
}

fn cluster(c: &mut Criterion) {
    let mut group = c.benchmark_group("three seats in one process");
    let mut three = Three::new();
    group.throughput(Throughput::Elements(1));
    group.bench_function("one put at a time", |b| b.iter(|| three.put(1)));
    group.throughput(Throughput::Elements(256));
    group.bench_function("256 puts at a time", |b| b.iter(|| three.put(256)));
    let seat = three.seats[0].clone();
    group.throughput(Throughput::Elements(1));
    group.bench_function("get of a learned key", |b| {
        b.iter(|| three.pool.run_until(seat.get(&0).into_future()).expect("a quorum is up"));
    });
    group.finish();
}

/// What leases and watchers cost, beside a plain put.
fn leases(c: &mut Criterion) {
    let mut group = c.benchmark_group("leases and watchers");
    group.throughput(Throughput::Elements(1));
    let mut three = Three::new();
    group.bench_function("a plain put", |b| b.iter(|| three.put(1)));
    let seat = three.seats[0].clone();
    let session = three.pool.run_until(seat.open_session().into_future()).expect("a quorum is up");
    let mut next = 0;
    let mut leased = |pool: &mut LocalPool, seat: &Cluster| {
        next += 1;
        let put = seat.put(&("leased", next), [7u8; 64].as_slice()).bound_to(&session);
        assert!(pool.run_until(put.into_future()).expect("a quorum is up").won());
    };
    group.bench_function("a put bound to a session", |b| b.iter(|| leased(&mut three.pool, &seat)));
    group.bench_function("get of such a key", |b| {
        b.iter(|| three.pool.run_until(seat.get(&("leased", 1)).into_future()).expect("a quorum is up"));
    });
    let mut turn = 0;
    group.bench_function("put and erase, one key", |b| {
        b.iter(|| {
            turn += 1;
            let put = seat.put("mine", &turn).erasable().into_future();
            assert!(three.pool.run_until(put).expect("a quorum is up").won());
            assert!(three.pool.run_until(seat.erase("mine").into_future()).expect("a quorum is up"));
        });
    });
    for watchers in [1_000, 10_000] {
        // Elsewhere than where is put, each of a key of its own, where nothing happens.
        let mut three = Three::new();
        let other = three.seats[1].clone();
        for n in 0..watchers {
            let watch = other.watch(&("quiet", n)).for_each(|_| std::future::ready(()));
            three.pool.spawner().spawn_local(watch).expect("a pool");
        }
        three.put(1);
        let name = format!("a plain put beside {watchers} watchers of other keys");
        group.bench_function(name, |b| b.iter(|| three.put(1)));

        let mut three = Three::new();
        let seen = Rc::new(Cell::new(0u64));
        for _ in 0..watchers {
            let (seen, watch) = (seen.clone(), three.seats[1].watch("loud"));
            let count = watch.for_each(move |_| {
                seen.set(seen.get() + 1);
                std::future::ready(())
            });
            three.pool.spawner().spawn_local(count).expect("a pool");
        }
        three.put(1);
        let seat = three.seats[0].clone();
        let mut turn = 0;
        let name = format!("put and erase, with {watchers} watchers of that key");
        group.bench_function(name, |b| {
            b.iter(|| {
                turn += 1;
                let put = seat.put("loud", &turn).erasable().into_future();
                assert!(three.pool.run_until(put).expect("a quorum is up").won());
                assert!(three.pool.run_until(seat.erase("loud").into_future()).expect("a quorum is up"));
            });
        });
    }
    group.finish();
}

fn codec(c: &mut Criterion) {
    let id = KeyId::new(Bucket::default(), Key::new("a key of 16 byte").expect("text is CBOR"));
    let register = Register { id, generation: Generation(0) };
    let seat = Seat::new(1).expect("there is a seat 1");
    let ballot = Ballot { epoch: Epoch(0), round: Round(0), seat, opening: Opening(1) };
    let value = Value::new([7u8; 64].as_slice()).expect("bytes are CBOR");
    let entry = Entry { value, leases: Vec::new(), request: RequestId([1; 16]) };
    let messages: Vec<Message> = (0..64)
        .flat_map(|_| {
            let (register, entry) = (register.clone(), entry.clone());
            [
                Message::Accept { register: register.clone(), ballot, entry },
                Message::Accepted { register, ballot, ended: Vec::new() },
            ]
        })
        .collect();
    let frame = write_frame(&messages);
    let mut group = c.benchmark_group("a frame of 128 messages");
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("encode", |b| b.iter(|| write_frame(black_box(&messages))));
    group.bench_function("decode", |b| b.iter(|| read_frame(black_box(&frame))));
    group.finish();
}

criterion_group!(benches, cluster, leases, codec);
criterion_main!(benches);
