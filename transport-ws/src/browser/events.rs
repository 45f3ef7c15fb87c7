//! What is done when something happens to a connection, or when its time has come.

use std::time::Duration;

use paxoskv_core::Timer;
use paxoskv_core::transport::{CloseReason, Event, LinkId};

use super::handshake::{Greeting, Step};
use super::line::{BACKOFF_CAP, Line, Next, Place, State, Up};
use super::socket::{Forbidden, Happened, Socket};
use super::{FLUSH, WebSockets};
use crate::ending::Ended;
use crate::refusal::{Code, Refusal, kept};

/// How long it may take from dialing to the link.
const HANDSHAKE: Duration = Duration::from_secs(5);

impl<C: Timer> WebSockets<C> {
    pub(super) fn overdue(&mut self, place: &Place, now: Duration) {
        let Some(line) = self.lines.get_mut(place) else { return };
        if matches!(line.state, State::Greeting { .. } | State::Waiting { .. }) {
            let reason = format!("no answer within {} s", HANDSHAKE.as_secs());
            return self.unreachable(place, reason, false);
        }
        let url = match place {
            _ if self.leaving => {
                line.state = State::Never;
                return;
            }
            Place::At(address) => address.url(),
            Place::WaitsAt(node) => self.name.waits_at(node).url(),
            Place::Came(_) => return,
        };
        self.last_socket += 1;
        let socket = self.last_socket;
        let connection = match Socket::dial(&url, socket, &self.inbox) {
            Ok(connection) => connection,
            // That will not change: a page that came by https may not dial without TLS, say.
            Err(Forbidden(reason)) => return self.unreachable(place, reason, true),
        };
        let until = now + HANDSHAKE;
        if matches!(place, Place::WaitsAt(_)) {
            line.state = State::Waiting { socket, connection, until: Some(until) };
            return;
        }
        match Greeting::new(self.secret.clone(), true) {
            Ok(greeting) => {
                line.state = State::Greeting { socket, connection, greeting: Some(greeting), until };
            }
            Err(reason) => self.unreachable(place, reason, false),
        }
    }

    fn unreachable(&mut self, place: &Place, reason: String, refused: bool) {
        let now = self.timer.now();
        let Some(line) = self.lines.get_mut(place) else { return };
        match place {
            Place::At(address) => {
                line.end(place, now, if refused { &Next::Refused } else { &Next::Backoff });
                self.events.push_back(Event::Unreachable { address: address.to_string(), reason, refused });
            }
            // Of no concern to the core: it has a link to that node, or hears of it that there is none.
            Place::WaitsAt(_) => drop(line.end(place, now, &Next::Backoff)),
            Place::Came(_) => drop(self.lines.remove(place)),
        }
    }

    pub(super) fn happened(&mut self, socket: u64, happened: Happened) {
        if self.closing.contains_key(&socket) {
            if matches!(happened, Happened::Closed { .. }) {
                self.closing.remove(&socket);
            }
            return;
        }
        let Some((place, line)) = self.lines.iter().find(|(_, line)| line.socket() == Some(socket)) else {
            return;
        };
        let place = place.clone();
        match &line.state {
            State::Waiting { .. } => self.wait(&place, happened),
            State::Greeting { .. } => self.greet(&place, happened),
            State::Up(_) => self.hear(&place, happened),
            State::Pausing(_) | State::After(_) | State::Never => {}
        }
    }

    fn wait(&mut self, place: &Place, happened: Happened) {
        let now = self.timer.now();
        let Some(line) = self.lines.get_mut(place) else { return };
        match happened {
            Happened::Opened => {
                line.failures = 0;
                if let State::Waiting { until, .. } = &mut line.state {
                    *until = None;
                }
            }
            Happened::Message(ready) if ready.is_empty() => {
                // From here on this is a connection like any other, and the next one waits.
                let State::Waiting { socket, connection, .. } = line.end(place, now, &Next::AtOnce) else {
                    return;
                };
                let Ok(greeting) = Greeting::new(self.secret.clone(), false) else { return };
                connection.send(greeting.first());
                let until = now + HANDSHAKE;
                let state = State::Greeting { socket, connection, greeting: Some(greeting), until };
                self.lines.insert(Place::Came(socket), Line { since: now, failures: 0, state });
            }
            Happened::Message(_) | Happened::Unwanted(_) | Happened::Closed { .. } => {
                line.end(place, now, &Next::Backoff);
            }
        }
    }

    fn greet(&mut self, place: &Place, happened: Happened) {
        let Some(State::Greeting { connection, greeting, .. }) =
            self.lines.get_mut(place).map(|line| &mut line.state)
        else {
            return;
        };
        let step = match happened {
            Happened::Opened => {
                if let Some(greeting) = greeting {
                    connection.send(greeting.first());
                }
                return;
            }
            Happened::Message(message) => {
                let Some(current) = greeting.take() else { return };
                current.hear(&message)
            }
            Happened::Unwanted(why) => Err(Refusal::new(Code::Faulty, why)),
            Happened::Closed { code, reason } => {
                let (reason, refused) = why_closed(code, &reason);
                return self.unreachable(place, reason, refused);
            }
        };
        let say = |message: Option<Vec<u8>>| message.is_none_or(|message| connection.send(&message));
        match step {
            Ok(Step::Wait(next, message)) => {
                say(message);
                *greeting = Some(next);
            }
            Ok(Step::Done(ready, last)) => {
                say(last);
                self.come_up(place, ready);
            }
            Err(Refusal { code, reason }) => {
                connection.close(code, &reason);
                self.unreachable(place, reason, code.is_refusal());
            }
        }
    }

    fn come_up(&mut self, place: &Place, ready: super::handshake::Link) {
        let since = self.timer.now();
        let Some(line) = self.lines.get_mut(place) else { return };
        let State::Greeting { socket, connection, .. } = line.end(place, since, &Next::Never) else { return };
        self.last_link += 1;
        let link = LinkId(self.last_link);
        let super::handshake::Link { token, keys, dialed } = ready;
        line.state = State::Up(Up { socket, connection, link, token, keys, since });
        self.events.push_back(Event::Up { link, dialed, attested: false });
    }

    fn hear(&mut self, place: &Place, happened: Happened) {
        let Some(up) = self.lines.get_mut(place).and_then(Line::up_mut) else { return };
        let ended = match happened {
            Happened::Opened => return,
            Happened::Message(message) => {
                let opened = match &mut up.keys {
                    Some((_, opener)) => opener.open(&message).map_err(|broken| broken.to_string()),
                    None => Ok(message),
                };
                match opened {
                    Ok(bytes) => {
                        let link = up.link;
                        return self.events.push_back(Event::Frame { link, bytes });
                    }
                    Err(reason) => Ended::Here(CloseReason::Faulty(reason)),
                }
            }
            Happened::Unwanted(why) => Ended::Here(CloseReason::Faulty(why.to_owned())),
            Happened::Closed { code: 1006, .. } => {
                Ended::Broken("the connection ended without a goodbye".into())
            }
            Happened::Closed { code, reason } => Ended::There(Code::from_number(code), reason),
        };
        self.end(place, &ended);
    }

    /// Takes a link down, and says goodbye where the other side does not know yet.
    pub(super) fn end(&mut self, place: &Place, ended: &Ended) {
        let now = self.timer.now();
        let (next, farewell) = match ended {
            Ended::Here(closing) => self.farewell(place, closing),
            Ended::There(Some(Code::Itself), _) => (after_itself(place), None),
            Ended::There(Some(Code::Duplicate), _) => {
                let kept = ended.kept_there();
                let kept = self.links().find(|up| Some(up.token) == kept).map(|up| up.link);
                (kept.map_or(Next::Refused, Next::After), None)
            }
            Ended::There(Some(Code::Refused), _) => (Next::Refused, None),
            Ended::There(..) | Ended::Broken(_) => (Next::Backoff, None),
        };
        let Some(line) = self.lines.get_mut(place) else { return };
        let Some(up) = line.up() else { return };
        if now >= up.since + BACKOFF_CAP {
            line.failures = 0;
        }
        let State::Up(up) = line.end(place, now, &next) else { return };
        if matches!(place, Place::Came(_)) {
            self.lines.remove(place);
        }
        if let Some((code, reason)) = farewell {
            up.connection.close(code, &reason);
            self.closing.insert(up.socket, (up.connection, now + FLUSH));
        }
        self.events.push_back(Event::Down { link: up.link, reason: ended.reason(), gone: false });
        for other in self.lines.values_mut() {
            if matches!(other.state, State::After(link) if link == up.link) {
                other.state = State::Pausing(now);
            }
        }
        // Who waits at a node sends nothing that would be missed there, nor sees that the node is gone, as its link does.
        if let (Place::At(node), Next::Backoff) = (place, next) {
            let waits = Place::WaitsAt(node.clone());
            if let Some(line) = self.lines.get_mut(&waits).filter(|line| line.socket().is_some()) {
                line.end(&waits, now, &Next::Backoff);
            }
        }
    }

    fn farewell(&self, place: &Place, closing: &CloseReason) -> (Next, Option<(Code, String)>) {
        let (next, code, reason) = match closing {
            CloseReason::Leaving => (Next::Never, Code::Leaving, "the node is leaving".into()),
            CloseReason::Itself => (after_itself(place), Code::Itself, "both ends are one node".into()),
            CloseReason::Duplicate { kept: link } => {
                let token = self.links().find(|up| up.link == *link).map(|up| up.token);
                let next = if token.is_some() { Next::After(*link) } else { Next::Backoff };
                (next, Code::Duplicate, token.map_or_else(|| "duplicate".into(), |token| kept(&token)))
            }
            CloseReason::Refused(why) => (Next::Refused, Code::Refused, why.clone()),
            CloseReason::Faulty(why) => (Next::Backoff, Code::Faulty, why.clone()),
        };
        (next, Some((code, reason)))
    }

    /// Takes all down, and dials nobody any more.
    pub(super) fn leave(&mut self, reason: &str) {
        self.leaving = true;
        for (_, line) in std::mem::take(&mut self.lines) {
            if let State::Up(up) = line.state {
                up.connection.close(Code::Leaving, reason);
                self.events.push_back(Event::Down { link: up.link, reason: reason.to_owned(), gone: false });
            }
        }
    }
}

/// What led back here leads elsewhere another time where it is a name, which may stand for several nodes.
fn after_itself(place: &Place) -> Next {
    match place {
        Place::At(address) if address.may_vary() => Next::Refused,
        _ => Next::Never,
    }
}

/// What a socket's end says before there is a link, and whether somebody is there who will not have us.
fn why_closed(code: u16, reason: &str) -> (String, bool) {
    match Code::from_number(code) {
        Some(code) if code.is_refusal() => (format!("turned away by the other side: {reason}"), true),
        _ if code == 1006 => (
            "cannot connect, and the browser does not say why: nobody may be there, or the node does not allow this \
             page's origin (--allow-origin)"
                .into(),
            false,
        ),
        _ => (format!("the connection was lost in the handshake ({code}: {reason})"), false),
    }
}
