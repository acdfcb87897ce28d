//! A handler's panic becomes a message with its place. The place is known only to the panic hook, so a hook in front of the program's
//! own keeps it for the thread that panics; the program's own still runs.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Once;
use std::task::Poll;

thread_local! {
    /// Where the last panic of this thread began.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Calls a handler; `Err` is its panic, in words.
pub(crate) fn catch<R>(handler: impl FnOnce() -> R) -> Result<R, String> {
    keep_places();
    catch_unwind(AssertUnwindSafe(handler)).map_err(|payload| describe(payload.as_ref()))
}

/// Awaits a handler; `Err` is its panic, in words.
pub(crate) async fn catch_async<R>(handler: impl Future<Output = R>) -> Result<R, String> {
    let mut handler = pin!(handler);
    std::future::poll_fn(|cx| {
        let handler: Pin<&mut _> = handler.as_mut();
        match catch(|| handler.poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

fn keep_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A thread that is being torn down has no place to keep it; then the message goes without.
            let _ = PLACE.try_with(|place| {
                *place.borrow_mut() = info.location().map(ToString::to_string);
            });
            next(info);
        }));
    });
}

fn describe(payload: &(dyn Any + Send)) -> String {
    let message = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    match PLACE.take() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    }
}
