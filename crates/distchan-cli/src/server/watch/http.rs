//! How the run stands, over HTTP: `/metrics` for Prometheus, `/healthz`, `/readyz`. No names, no commands and no inputs are told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::exit::{self, Failure};
use crate::output::messages;
use crate::server::watch::{Lookout, metrics};

/// How many may ask at once; others wait to be accepted.
const CONNECTIONS: usize = 64;

/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait where no connection can be taken, as there are no descriptors.
const PAUSE: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where HTTP is answered.
#[derive(Debug)]
pub(in crate::server) struct Http(TcpListener);

impl Http {
    /// Listens, and says where.
    ///
    /// # Errors
    /// The address cannot be had.
    pub(in crate::server) async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(exit::UNREACHABLE, format!("--http: cannot listen at {address}: {error}"))
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        messages::note(&format!("metrics at http://{}/metrics", listener.local_addr().map_err(failed)?));
        Ok(Self(listener))
    }

    /// Answers, as long as the process is there.
    pub(in crate::server) async fn serve(self, lookout: Arc<Lookout>) {
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
            let Ok((stream, _)) = self.0.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let lookout = Arc::clone(&lookout);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let response = respond(&request, &lookout);
                    async move { Ok::<_, Infallible>(response) }
                });
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
                // Whoever asks and goes away, or asks otherwise than HTTP has it, hurts nobody.
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
                drop(seat);
            });
        }
    }
}

fn respond<B>(request: &Request<B>, lookout: &Lookout) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/healthz" => response(StatusCode::OK, PLAIN, "ok\n"),
        "/readyz" if lookout.is_ready() => response(StatusCode::OK, PLAIN, "ok\n"),
        "/readyz" => response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "no worker is connected\n"),
        "/metrics" => match metrics::text(&lookout.status()) {
            Ok(text) => response(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
        },
        _ => response(StatusCode::NOT_FOUND, PLAIN, "there are /metrics, /healthz and /readyz\n"),
    }
}

fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
