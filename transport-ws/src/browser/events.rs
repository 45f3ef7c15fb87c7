//! What is done when something happens to a connection, or when its time has come.

use std::time::Duration;

use paxoskv_core::Timer;
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_links::handshake::{Established, Next as AfterStep};
use paxoskv_links::{CloseCode, Failure, Goodbye, LinkEnd, Redial};

use super::WebSockets;
use super::connection::{Connection, Next, State, Target, Up};
use super::socket::{Forbidden, Socket, SocketEvent};
use crate::handshake::{Keys, handshake};
use crate::relay::may_vary;

impl<C: Timer> WebSockets<C> {
    pub(super) fn overdue(&mut self, target: &Target, now: Duration) {
        let Some(connection) = self.connections.get_mut(target) else { return };
        if matches!(connection.state, State::Handshake { .. } | State::Waiting { .. }) {
            let reason = format!("no answer within {} s", self.settings.handshake_timeout.as_secs());
            return self.unreachable(target, Failure::Broken(reason));
        }
        let url = match target {
            _ if self.leaving => {
                connection.state = State::Never;
                return;
            }
            Target::At(address) => address.url(),
            Target::WaitsAt(relay) => self.name.waits_at(relay).url(),
            Target::Came(_) => return,
        };
        self.last_socket += 1;
        let socket = match Socket::dial(&url, self.last_socket, &self.inbox) {
            Ok(socket) => socket,
            // That will not change: a page that came by https may not dial without TLS, say.
            Err(Forbidden(reason)) => return self.unreachable(target, Failure::Refused(reason)),
        };
        let until = now + self.settings.handshake_timeout;
        if matches!(target, Target::WaitsAt(_)) {
            connection.state = State::Waiting { socket, until: Some(until) };
            return;
        }
        match handshake(true, self.secret.as_ref()) {
            Ok(handshake) => {
                connection.state = State::Handshake { socket, handshake: Some(handshake), until };
            }
            Err(error) => self.unreachable(target, Failure::Broken(error.to_string())),
        }
    }

    fn unreachable(&mut self, target: &Target, failure: Failure) {
        let now = self.timer.now();
        let Some(connection) = self.connections.get_mut(target) else { return };
        let refused = failure.is_refusal();
        match target {
            Target::At(address) => {
                let next = if refused { Next::Refused } else { Next::Backoff };
                connection.end(target, now, &next, &self.settings);
                let (address, reason) = (address.to_string(), failure.reason().to_owned());
                self.events.push_back(Event::Unreachable { address, reason, refused });
            }
            // Of no concern to the core: it has a link to that node, or is notified that there is none.
            Target::WaitsAt(_) => drop(connection.end(target, now, &Next::Backoff, &self.settings)),
            Target::Came(_) => drop(self.connections.remove(target)),
        }
    }

    pub(super) fn handle(&mut self, socket: u64, event: SocketEvent) {
        if self.closing.contains_key(&socket) {
            if matches!(event, SocketEvent::Closed { .. }) {
                self.closing.remove(&socket);
            }
            return;
        }
        let is_of = |connection: &Connection| connection.socket().is_some_and(|of| of.number() == socket);
        let Some((target, connection)) = self.connections.iter().find(|(_, connection)| is_of(connection))
        else {
            return;
        };
        let target = target.clone();
        match &connection.state {
            State::Waiting { .. } => self.handle_waiting(&target, event),
            State::Handshake { .. } => self.handle_handshake(&target, event),
            State::Up(_) => self.handle_up(&target, event),
            State::Pausing(_) | State::After(_) | State::Never => {}
        }
    }

    fn handle_waiting(&mut self, target: &Target, event: SocketEvent) {
        let now = self.timer.now();
        let Some(connection) = self.connections.get_mut(target) else { return };
        match event {
            SocketEvent::Opened => {
                connection.failures = 0;
                if let State::Waiting { until, .. } = &mut connection.state {
                    *until = None;
                }
            }
            SocketEvent::Message(ready) if ready.is_empty() => {
                // From here on this is a connection like any other, and the next one waits.
                let ended = connection.end(target, now, &Next::AtOnce, &self.settings);
                let State::Waiting { socket, .. } = ended else { return };
                let Ok(handshake) = handshake(false, self.secret.as_ref()) else { return };
                socket.send(handshake.first());
                let target = Target::Came(socket.number());
                let until = now + self.settings.handshake_timeout;
                let state = State::Handshake { socket, handshake: Some(handshake), until };
                self.connections.insert(target, Connection { since: now, failures: 0, state });
            }
            SocketEvent::Message(_) | SocketEvent::Invalid(_) | SocketEvent::Closed { .. } => {
                connection.end(target, now, &Next::Backoff, &self.settings);
            }
        }
    }

    fn handle_handshake(&mut self, target: &Target, event: SocketEvent) {
        let Some(State::Handshake { socket, handshake, .. }) =
            self.connections.get_mut(target).map(|connection| &mut connection.state)
        else {
            return;
        };
        let step = match event {
            SocketEvent::Opened => {
                if let Some(handshake) = handshake {
                    socket.send(handshake.first());
                }
                return;
            }
            SocketEvent::Message(message) => {
                let Some(current) = handshake.take() else { return };
                current.handle(&message)
            }
            SocketEvent::Invalid(why) => Err(Goodbye::faulty(why)),
            SocketEvent::Closed { code, reason } => {
                return self.unreachable(target, closed_there(code, &reason));
            }
        };
        match step {
            Ok(step) => {
                for message in &step.send {
                    // If it cannot be sent, the browser closes the socket.
                    socket.send(message);
                }
                match step.next {
                    AfterStep::Wait(next) => *handshake = Some(next),
                    AfterStep::Done(established) => self.come_up(target, established),
                }
            }
            Err(goodbye) => {
                socket.close(&goodbye);
                self.unreachable(target, goodbye.into());
            }
        }
    }

    fn come_up(&mut self, target: &Target, established: Established<Keys>) {
        let since = self.timer.now();
        let Some(connection) = self.connections.get_mut(target) else { return };
        let ended = connection.end(target, since, &Next::Never, &self.settings);
        let State::Handshake { socket, .. } = ended else { return };
        self.last_link += 1;
        let link = LinkId(self.last_link);
        let Established { connection: name, outcome: keys, dialed } = established;
        connection.state = State::Up(Up { socket, link, connection: name, keys, since });
        self.events.push_back(Event::Up { link, dialed, attested: false });
    }

    fn handle_up(&mut self, target: &Target, event: SocketEvent) {
        let Some(up) = self.connections.get_mut(target).and_then(Connection::up_mut) else { return };
        let end = match event {
            SocketEvent::Opened => return,
            SocketEvent::Message(message) => {
                let opened = match &mut up.keys {
                    Some((_, opener)) => opener.open(&message).map_err(|broken| broken.to_string()),
                    None => Ok(message),
                };
                match opened {
                    Ok(bytes) => {
                        let link = up.link;
                        return self.events.push_back(Event::Frame { link, bytes });
                    }
                    Err(reason) => LinkEnd::ClosedHere(CloseReason::Faulty(reason)),
                }
            }
            SocketEvent::Invalid(why) => LinkEnd::ClosedHere(CloseReason::Faulty(why.to_owned())),
            SocketEvent::Closed { code: 1006, .. } => {
                LinkEnd::Broken("the connection ended without a goodbye".into())
            }
            SocketEvent::Closed { code, reason } => {
                LinkEnd::ClosedThere(CloseCode::from_number(code), reason)
            }
        };
        self.end(target, &end);
    }

    /// Takes a link down, with a goodbye where the other side does not know yet.
    pub(super) fn end(&mut self, target: &Target, end: &LinkEnd) {
        let now = self.timer.now();
        let next = self.next(target, end);
        let goodbye = self.goodbye(end);
        let Some(connection) = self.connections.get_mut(target) else { return };
        let Some(up) = connection.up() else { return };
        if now >= up.since + self.settings.backoff_cap {
            connection.failures = 0;
        }
        let State::Up(up) = connection.end(target, now, &next, &self.settings) else { return };
        if matches!(target, Target::Came(_)) {
            self.connections.remove(target);
        }
        if let Some(goodbye) = goodbye {
            up.socket.close(&goodbye);
            self.closing.insert(up.socket.number(), (up.socket, now + self.settings.flush_timeout));
        }
        self.events.push_back(Event::Down { link: up.link, reason: end.reason(), gone: false });
        for other in self.connections.values_mut() {
            if matches!(other.state, State::After(link) if link == up.link) {
                other.state = State::Pausing(now);
            }
        }
        // A node that waits at a relay sends nothing that would be missed there, nor does it notice that the relay is
        // gone, as its link does.
        if let (Target::At(relay), Next::Backoff) = (target, next) {
            let waits = Target::WaitsAt(relay.clone());
            let waiting = self.connections.get_mut(&waits).filter(|waiting| waiting.socket().is_some());
            if let Some(waiting) = waiting {
                waiting.end(&waits, now, &Next::Backoff, &self.settings);
            }
        }
    }

    /// When a target whose link has ended is dialed again.
    fn next(&self, target: &Target, end: &LinkEnd) -> Next {
        match end.redial() {
            _ if matches!(end, LinkEnd::ClosedHere(CloseReason::Leaving)) => Next::Never,
            // A host name may stand for several nodes, and leads elsewhere another time.
            Redial::Itself => match target {
                Target::At(address) if may_vary(address) => Next::Refused,
                _ => Next::Never,
            },
            Redial::Duplicate => match end {
                LinkEnd::ClosedHere(CloseReason::Duplicate { kept }) => {
                    self.link(*kept).map_or(Next::Backoff, |up| Next::After(up.link))
                }
                end => {
                    let kept = self.links().find(|up| Some(up.connection) == end.kept_there());
                    kept.map_or(Next::Refused, |up| Next::After(up.link))
                }
            },
            Redial::Refused => Next::Refused,
            Redial::Backoff => Next::Backoff,
        }
    }

    fn link(&self, link: LinkId) -> Option<&Up> {
        self.links().find(|up| up.link == link)
    }

    /// The goodbye for the other side, where it does not know yet.
    fn goodbye(&self, end: &LinkEnd) -> Option<Goodbye> {
        let LinkEnd::ClosedHere(closing) = end else { return None };
        let kept = match closing {
            CloseReason::Duplicate { kept } => self.link(*kept).map(|up| up.connection),
            _ => None,
        };
        Some(Goodbye::closing(closing, kept))
    }

    /// Takes all down, and dials no more.
    pub(super) fn leave(&mut self, reason: &str) {
        self.leaving = true;
        for (_, connection) in std::mem::take(&mut self.connections) {
            if let State::Up(up) = connection.state {
                up.socket.close(&Goodbye::new(CloseCode::Leaving, reason));
                self.events.push_back(Event::Down { link: up.link, reason: reason.to_owned(), gone: false });
            }
        }
    }
}

/// What a socket's end says before there is a link.
fn closed_there(code: u16, reason: &str) -> Failure {
    match code {
        1006 => Failure::Broken(
            "cannot connect, and the browser does not say why: there may be no node, or it does not allow this \
             page's origin (--allow-origin)"
                .into(),
        ),
        code => Failure::closed_there(CloseCode::from_number(code), reason),
    }
}
