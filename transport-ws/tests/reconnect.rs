//! An address is dialed until a node is there, and again when the link is down.

mod help;
use help::*;

use paxoskv_core::Transport;
use paxoskv_core::transport::{CloseReason, Event};

#[tokio::test]
async fn the_link_comes_back_when_the_listener_does() {
    let mut a = Node::dialing(quick());
    let mut b = Node::listening(quick()).await;
    let (first, _) = link(&mut a, &mut b).await;
    let at = b.stop().await;
    a.down(first).await;
    // Meanwhile no node is there, which is reported and is no refusal.
    let (address, refused) = a
        .until(|event| match event {
            Event::Unreachable { address, refused, .. } => Some((address.clone(), *refused)),
            _ => None,
        })
        .await;
    assert_eq!((address, refused), (format!("ws://{at}"), false));

    let mut b = Node::listening_at(at, quick()).await;
    let second = a.up().await;
    assert_ne!(first, second, "a link's name is used once");
    let b_link = b.up().await;
    b.transport.send(b_link, b"back".to_vec());
    assert_eq!(a.frame().await, (second, b"back".to_vec()));
}

#[tokio::test]
async fn a_node_that_comes_late_is_found() {
    let at = Node::listening(quick()).await.stop().await;
    let mut a = Node::dialing(quick());
    a.transport.dial(&[at.to_string()]);
    a.until(|event| matches!(event, Event::Unreachable { .. }).then_some(())).await;
    let mut b = Node::listening_at(at, quick()).await;
    a.up().await;
    b.up().await;
}

#[tokio::test]
async fn a_peer_that_was_faulty_or_refused_is_dialed_again() {
    let mut a = Node::dialing(quick());
    let mut b = Node::listening(quick()).await;
    let (mut link, _) = link(&mut a, &mut b).await;
    for closing in [CloseReason::Faulty("silent".into()), CloseReason::Refused("not of this cluster".into())]
    {
        a.transport.close(link, closing);
        let reason = a.down(link).await;
        assert_says(&reason, "closed here");
        link = a.up().await;
    }
}

#[tokio::test]
async fn the_other_side_gets_the_reason_why_a_link_was_closed() {
    let mut a = Node::dialing(quick());
    let mut b = Node::listening(quick()).await;
    let (_, b_link) = link(&mut a, &mut b).await;
    b.transport.close(b_link, CloseReason::Refused("seat 2 is held by another store".into()));
    let reason = a
        .until(|event| match event {
            Event::Down { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert_says(&reason, "closed by the other side: seat 2 is held by another store");
    a.up().await;
}

#[tokio::test]
async fn an_address_that_is_this_node_is_dialed_once_only() {
    let mut a = Node::dialing(quick());
    let mut b = Node::listening(quick()).await;
    let (a_link, _) = link(&mut a, &mut b).await;
    a.transport.close(a_link, CloseReason::Itself);
    a.down(a_link).await;
    a.transport.dial(&[b.address()]);
    a.nothing_for(LONGEST_PAUSE * 4).await;
}

/// One name may stand for all nodes, and leads elsewhere another time.
#[tokio::test]
async fn a_name_that_led_to_this_node_is_dialed_again() {
    let mut a = Node::dialing(quick());
    let mut b = Node::listening(quick()).await;
    a.transport.dial(&[format!("localhost:{}", b.at.port())]);
    let a_link = a.up().await;
    b.up().await;
    a.transport.close(a_link, CloseReason::Itself);
    a.down(a_link).await;
    let a_link = a.up().await;
    // The other end may be the one that finds out.
    let b_link = b.up().await;
    b.transport.close(b_link, CloseReason::Itself);
    a.down(a_link).await;
    a.up().await;
}

#[tokio::test]
async fn the_same_address_in_other_words_is_one_address() {
    let mut a = Node::dialing(quick());
    let mut b = Node::listening(quick()).await;
    link(&mut a, &mut b).await;
    a.transport.dial(&[b.at.to_string(), format!("WS://{}/", b.at), format!("ws://{}/ws", b.at)]);
    a.transport.dial(&[format!("/ip4/127.0.0.1/tcp/{}", b.at.port())]);
    a.nothing_for(LONGEST_PAUSE * 2).await;
}

#[tokio::test]
async fn an_address_that_never_answers_makes_room_for_another() {
    let gone = Node::listening(quick()).await.stop().await;
    let mut b = Node::listening(quick()).await;
    let mut a = Node::dialing(limited(|link| link.max_addresses = 1));
    a.transport.dial(&[gone.to_string()]);
    a.transport.dial(&[b.address()]);
    for _ in 0..9 {
        // Only the first address is dialed, until it has failed often.
        a.until(|event| match event {
            Event::Unreachable { address, .. } if *address == format!("ws://{gone}") => Some(()),
            other => panic!("{other:?}"),
        })
        .await;
    }
    link(&mut a, &mut b).await;
}

/// Members that are somewhere else each time they start leave addresses behind, which must not cost the others theirs.
#[tokio::test]
async fn of_those_that_never_answer_the_latest_makes_room() {
    let (first, second) = (Node::listening(quick()).await, Node::listening(quick()).await);
    let mut b = Node::listening(quick()).await;
    let (first, second) = (first.stop().await, second.stop().await);
    let mut a = Node::dialing(limited(|link| link.max_addresses = 2));
    a.transport.dial(&[first.to_string()]);
    // It fails more often than the other.
    for _ in 0..5 {
        a.unreachable().await;
    }
    a.transport.dial(&[second.to_string()]);
    a.transport.dial(&[b.address()]);
    let mut failures = [0, 0];
    while failures.iter().any(|failures| *failures < 9) {
        failures[usize::from(a.unreachable().await.0 != format!("ws://{first}"))] += 1;
    }
    link(&mut a, &mut b).await;
    // A failure of the other may still be reported.
    let mut last = String::new();
    for _ in 0..5 {
        last = a.unreachable().await.0;
    }
    assert_eq!(last, format!("ws://{first}"));
}

/// However often it failed before.
#[tokio::test]
async fn an_address_that_is_linked_makes_no_room() {
    let at = Node::listening(quick()).await.stop().await;
    let mut a = Node::dialing(limited(|link| link.max_addresses = 1));
    a.transport.dial(&[at.to_string()]);
    for _ in 0..10 {
        a.unreachable().await;
    }
    let mut back = Node::listening_at(at, quick()).await;
    back.up().await;
    a.until(|event| matches!(event, Event::Up { .. }).then_some(())).await;

    let mut other = Node::listening(quick()).await;
    a.transport.dial(&[other.address()]);
    other.nothing_for(LONGEST_PAUSE * 4).await;
}
