//! A service with streams both ways, as tonic's generator would write it: workers call, are sent jobs, and send results. It must not
//! know what the jobs are for.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use anyhow::{Result, anyhow};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;
use tonic::codegen::{Body, Service, StdError, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use super::codec::Postcard;
use super::tls::{Identity, read};
use crate::payload::Payload;

/// The two methods of the service: which is called decides what is sent.
pub(super) const SMALL: &str = "/bench.Bench/Small";
pub(super) const LARGE: &str = "/bench.Bench/Large";

/// Bytes that may be under way, of a stream and of a connection. HTTP/2's own 64 KiB make each side wait for the other, and its frames so
/// small that h2 takes them for an attack, now and then. 1 MiB, 16 MiB and 32 MiB were tried, too.
const WINDOW: u32 = 4 << 20;

/// The largest frame. HTTP/2's own 16 KiB are a tenth slower, 1 MiB are no faster.
const FRAME: u32 = 64 * 1024;

/// What is sent to whoever calls.
pub(super) type Jobs<P> = BoxStream<'static, Result<P, Status>>;

/// One method: the streams of jobs that wait for their workers, and where the streams of results go.
#[derive(Clone)]
pub(super) struct Method<P> {
    jobs: Arc<Mutex<Vec<Jobs<P>>>>,
    results: mpsc::UnboundedSender<Streaming<P>>,
}

impl<P: Payload> Method<P> {
    /// Takes one stream of jobs for each worker, gives one of results for each.
    pub(super) fn new(jobs: Vec<Jobs<P>>) -> (Self, mpsc::UnboundedReceiver<Streaming<P>>) {
        let (results, receiver) = mpsc::unbounded_channel();
        (Self { jobs: Arc::new(Mutex::new(jobs)), results }, receiver)
    }
}

impl<P: Payload> StreamingService<P> for Method<P> {
    type Response = P;
    type ResponseStream = Jobs<P>;
    type Future = BoxFuture<'static, Result<Response<Jobs<P>>, Status>>;

    fn call(&mut self, request: Request<Streaming<P>>) -> Self::Future {
        let jobs = self.jobs.lock().ok().and_then(|mut jobs| jobs.pop());
        let jobs = jobs.filter(|_| self.results.send(request.into_inner()).is_ok());
        Box::pin(async {
            jobs.map(Response::new).ok_or_else(|| Status::resource_exhausted("enough workers"))
        })
    }
}

/// The service.
#[derive(Clone)]
pub(super) struct Bench<P> {
    pub(super) small: Method<P>,
    pub(super) large: Option<Method<P>>,
}

impl<P> NamedService for Bench<P> {
    const NAME: &'static str = "bench.Bench";
}

impl<P: Payload, B> Service<http::Request<B>> for Bench<P>
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let method =
            if request.uri().path() == LARGE { self.large.clone() } else { Some(self.small.clone()) };
        Box::pin(async move {
            let Some(method) = method else {
                return Ok(Status::unimplemented("").into_http());
            };
            let mut grpc = Grpc::new(Postcard::new()).max_decoding_message_size(usize::MAX);
            Ok(grpc.streaming(method, request).await)
        })
    }
}

impl<P: Payload> Bench<P> {
    /// Serves until the runtime ends. Returns the address, as a worker is told it.
    pub(super) fn serve(self, is_encrypted: bool) -> Result<String> {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
        let address = incoming.local_addr()?;
        let identity = is_encrypted.then(Identity::new).transpose()?;
        let mut server = Server::builder();
        if let Some(identity) = &identity {
            server = server.tls_config(identity.of_server())?;
        }
        let server = server
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(FRAME)
            .add_service(self);
        tokio::spawn(server.serve_with_incoming(incoming));
        Ok(identity.map_or_else(|| format!("http://{address}"), |identity| identity.tell(address)))
    }
}

/// Connects a worker to what it was told.
pub(super) async fn connect(told: &str) -> Result<Channel> {
    let (address, trust) = read(told);
    let mut endpoint = Endpoint::from_shared(address)?;
    if let Some(trust) = trust {
        endpoint = endpoint.tls_config(trust)?;
    }
    let endpoint = endpoint
        .tcp_nodelay(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME);
    Ok(endpoint.connect().await?)
}

/// Calls a method: sends these results, gives the stream of jobs.
pub(super) async fn call<P: Payload>(
    channel: Channel,
    method: &'static str,
    results: BoxStream<'static, P>,
) -> Result<Streaming<P>> {
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(usize::MAX);
    grpc.ready().await.map_err(|error| anyhow!("{error}"))?;
    let path = http::uri::PathAndQuery::from_static(method);
    Ok(grpc.streaming(Request::new(results), path, Postcard::new()).await?.into_inner())
}
