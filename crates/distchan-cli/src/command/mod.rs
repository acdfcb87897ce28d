//! From a command with replacement strings to what is executed, and to the text that is shown.
//!
//! **No input ever becomes a part of a shell's text.** A command without shell syntax is executed directly, each word an argument. Where a shell is
//! needed, inputs are handed to it as parameters, and the text refers to them: whatever an input holds, it is never read as a command.

mod compose;
mod context;
mod path;
mod quote;
mod shell;
mod template;

pub(crate) use crate::command::compose::{Composer, Invocation, fill};
pub(crate) use crate::command::shell::{find_program, shell};
