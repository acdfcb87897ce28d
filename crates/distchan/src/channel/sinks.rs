//! Where the results of calls and maps go: each has an inbox of its own beside the channel's receiver.

use std::collections::BTreeMap;
use std::sync::Arc;

use distchan_proto::ids::SinkId;
use parking_lot::Mutex;

use crate::channel::inbox::{End, Inbox};
use crate::channel::port::Port;

/// The inboxes of one channel's calls and maps.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inboxes: Inboxes,
    last: u32,
    end: Option<End>,
}

/// The newest stands apart: where there is one call at a time, the tree stays empty.
#[derive(Debug, Default)]
struct Inboxes {
    older: BTreeMap<u32, Arc<Inbox>>,
    newest: Option<(u32, Arc<Inbox>)>,
}

impl Inboxes {
    fn insert(&mut self, id: u32, inbox: Arc<Inbox>) {
        self.older.extend(self.newest.replace((id, inbox)));
    }

    fn get(&self, id: u32) -> Option<&Arc<Inbox>> {
        let newest = self.newest.as_ref().filter(|newest| newest.0 == id);
        newest.map(|(_, inbox)| inbox).or_else(|| self.older.get(&id))
    }

    fn remove(&mut self, id: u32) {
        if self.newest.take_if(|newest| newest.0 == id).is_none() {
            self.older.remove(&id);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Inbox>> {
        self.older.values().chain(self.newest.as_ref().map(|(_, inbox)| inbox))
    }
}

/// One call's or map's place; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) id: SinkId,
    pub(crate) inbox: Arc<Inbox>,
    sinks: Arc<Sinks>,
    port: Arc<dyn Port>,
}

impl Sinks {
    /// A new place.
    pub(crate) fn open(self: &Arc<Self>, port: &Arc<dyn Port>) -> Sink {
        let inbox = Inbox::new();
        let mut state = self.state.lock();
        // 0 is the receiver; a number still in use by an old call is passed over.
        loop {
            state.last = state.last.wrapping_add(1).max(1);
            if state.inboxes.get(state.last).is_none() {
                break;
            }
        }
        let id = state.last;
        state.inboxes.insert(id, Arc::clone(&inbox));
        if let Some(end) = state.end.clone() {
            inbox.end(end);
        }
        Sink { id: SinkId(id), inbox, sinks: Arc::clone(self), port: Arc::clone(port) }
    }

    pub(crate) fn get(&self, id: SinkId) -> Option<Arc<Inbox>> {
        self.state.lock().inboxes.get(id.0).cloned()
    }

    /// Nothing more will come, for anyone.
    pub(crate) fn end(&self, end: &End) {
        let mut state = self.state.lock();
        state.end.get_or_insert_with(|| end.clone());
        for inbox in state.inboxes.iter() {
            inbox.end(end.clone());
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.sinks.state.lock().inboxes.remove(self.id.0);
        // Whatever nobody has taken must not count as unread for ever.
        self.port.consumed(self.inbox.close(End::Finished).cost());
    }
}
