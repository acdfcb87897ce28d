//! Promises that the machines can be made to break: it is how the simulation shows that its oracle would notice. Behind the feature
//! `sabotage`, for one thread, and never on by itself; without the feature every question is answered by a constant.

/// A promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// An answer counts although its worker no longer has the job in that attempt.
    AcceptStale,
    /// Results become visible before their job is completed.
    ReleaseEarly,
    /// A worker that leaves takes its jobs with it.
    ForgetOnDisconnect,
    /// A job that was not begun is blamed for the end of its worker.
    CountBystander,
    /// The credit for what a worker has sent is not given back.
    LoseCredit,
    /// A job that was delivered again does not wait for older ones.
    BreakOrder,
    /// A resumed session hands in its last frame twice, and what it completes is completed twice.
    CompleteTwice,
    /// The channel ends although a job has no outcome.
    EndEarly,
    /// A worker whose connection broke cannot come back to its jobs.
    NoGrace,
    /// A silent worker is never lost.
    WaitForEver,
}

impl Sabotage {
    /// All of them.
    #[cfg(feature = "sabotage")]
    pub const ALL: [Self; 10] = [
        Self::AcceptStale,
        Self::ReleaseEarly,
        Self::ForgetOnDisconnect,
        Self::CountBystander,
        Self::LoseCredit,
        Self::BreakOrder,
        Self::CompleteTwice,
        Self::EndEarly,
        Self::NoGrace,
        Self::WaitForEver,
    ];

    /// Whether this promise is broken in this thread.
    #[cfg(feature = "sabotage")]
    #[inline]
    pub(crate) fn is_on(self) -> bool {
        ACTIVE.get() == Some(self)
    }

    /// Whether this promise is broken in this thread: without the feature, never.
    #[cfg(not(feature = "sabotage"))]
    #[inline]
    pub(crate) const fn is_on(self) -> bool {
        false
    }
}

#[cfg(feature = "sabotage")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
}

/// Makes all machines of this thread break a promise, or none.
#[cfg(feature = "sabotage")]
pub fn sabotage(what: Option<Sabotage>) {
    ACTIVE.set(what);
}

/// Whether any promise is broken in this thread: then it is not for the machines themselves to notice.
#[cfg(debug_assertions)]
pub(crate) fn is_any_on() -> bool {
    #[cfg(feature = "sabotage")]
    return ACTIVE.get().is_some();
    #[cfg(not(feature = "sabotage"))]
    false
}
