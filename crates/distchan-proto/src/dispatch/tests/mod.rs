//! Dispatch alone, call by call, under virtual time: whatever its jobs go through, each has one outcome and every count is right.

mod balance;
mod cancelling;
mod chance;
mod endings;
mod keys;
mod stage;
mod twins;
