//! The workers that are there: who they are, and the channel by which each is told what it is to know.

use std::collections::BTreeMap;
use std::sync::Arc;

use distchan::{Sender, Server};

use crate::wire::{Hello, MAX_VALUE, Order, Plan, orders};

/// The workers that are there.
#[derive(Debug, Default)]
pub(super) struct Crew {
    members: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    host: Arc<str>,
    orders: Sender<Order>,
}

impl Crew {
    /// A worker has come. It gets the plan, and from then on takes jobs.
    pub(super) fn welcome(&mut self, server: &Server, hello: &Hello, plan: &Plan) -> Arc<str> {
        let host: Arc<str> = if hello.host.is_empty() { ":".into() } else { hello.host.as_str().into() };
        let opened = server.sender::<Order>(orders(hello.worker)).max_value(MAX_VALUE).open();
        // A worker that says hello twice, after it had lost its session, has its plan; a server that is shut down needs nobody.
        if let Ok(orders) = opened {
            drop(orders.try_send(Order::Plan(Box::new(plan.clone()))));
            self.members.insert(hello.worker, Member { host: Arc::clone(&host), orders });
        }
        host
    }

    /// A worker leaves.
    pub(super) fn part(&mut self, worker: u64) {
        self.members.remove(&worker);
    }

    /// The machine of a worker; one that nobody knows has none.
    pub(super) fn host(&self, worker: u64) -> Arc<str> {
        self.members.get(&worker).map_or_else(|| "?".into(), |member| Arc::clone(&member.host))
    }

    /// Tells one.
    pub(super) fn tell_one(&self, worker: u64, order: Order) {
        if let Some(member) = self.members.get(&worker) {
            // One that is gone needs no orders.
            drop(member.orders.try_send(order));
        }
    }

    /// Tells all the same.
    pub(super) fn tell(&self, order: &Order) {
        for member in self.members.values() {
            // One that is gone needs no orders.
            drop(member.orders.try_send(order.clone()));
        }
    }
}
