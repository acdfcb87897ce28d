//! Takes outcomes from a channel's receiver, until its end, and enters them into the books. It judges nothing.

use std::sync::Arc;

use distchan::{Receiver, RecvError};
use tokio::time::sleep;

use crate::books::{Book, Books};
use crate::job::Answer;

/// Returns when the channel is closed and drained, or broken; the latter is in the books then.
pub(crate) async fn receive(mut results: Receiver<Answer>, books: Arc<Books>, book: fn(&Books) -> &Book) {
    let book = book(&books);
    loop {
        if let Some(pause) = book.take_pause() {
            sleep(pause).await;
        }
        match results.recv().await {
            Ok(Some(answer)) => book.open().answer(answer),
            Ok(None) => return,
            // One task sends on each of these channels: the library's numbers, from 1, are those of the books, from 0.
            Err(RecvError::Failed(failed)) => book.open().failure(failed.job().0 - 1, &failed),
            Err(RecvError::Decode(error)) => {
                book.open().deviate(format!("a result does not decode: {error}"))
            }
            Err(other) => return book.open().deviate(format!("the receiver ended with: {other}")),
        }
    }
}
