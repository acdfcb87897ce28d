//! What stands between TLS and the preamble: the proof of a ticket's secret, both ways.

use distchan_proto::proof::{Exporter, Secret, ServerAnswer, WorkerProof};

use crate::document::Document;
use crate::pair::{Check, hex, same};

/// A worker is let in with a ticket.
pub(crate) fn ticket(document: &Document) -> Check {
    let secret = Secret::new(std::array::from_fn(|index| 0x10 + u8::try_from(index).unwrap_or_default()));
    let exporter: Exporter = std::array::from_fn(|index| 0x80 + u8::try_from(index).unwrap_or_default());
    let written = document.block("proof-worker");
    same("the worker's proof", &hex(&WorkerProof::new(&secret, &exporter).to_bytes()), &hex(written))?;
    let bytes = written.try_into().map_err(|_| "a proof has 41 bytes".to_owned())?;
    let proof = WorkerProof::parse(bytes).map_err(|_| "the worker's proof is not one".to_owned())?;
    if proof.ticket() != secret.id() || !proof.is_of(&secret, &exporter) {
        return Err("the server does not take the worker's proof".to_owned());
    }
    let written = document.block("proof-server");
    same("the server's proof", &hex(&ServerAnswer::accepting(&secret, &exporter)), &hex(written))?;
    let (first, proof) = written.split_first().ok_or("no answer")?;
    let proof = proof.try_into().map_err(|_| "a server's proof has 32 bytes".to_owned())?;
    let is_in = ServerAnswer::parse(*first) == ServerAnswer::Accepted;
    if is_in && ServerAnswer::is_proof_of(proof, &secret, &exporter) {
        Ok(())
    } else {
        Err("the worker does not take the server's proof".to_owned())
    }
}
