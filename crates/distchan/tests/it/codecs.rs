//! The other codecs, from end to end.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::net::{IpAddr, Ipv4Addr};

use distchan::codec::{Codec, Json, MessagePack, Postcard};
use serde::{Deserialize, Serialize};

use crate::helpers::{collect, run, server, worker};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rich {
    text: String,
    number: f64,
    address: IpAddr,
    shape: Shape,
    table: BTreeMap<String, Option<Vec<u8>>>,
    unit: (),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f32),
    Rectangle { width: i32, height: i64 },
}

fn values() -> Vec<Rich> {
    [Shape::Point, Shape::Circle(0.1), Shape::Rectangle { width: -3, height: i64::MIN }]
        .into_iter()
        .map(|shape| Rich {
            text: "Größe \"\0\u{1F600}".to_owned(),
            number: 0.1 + 0.2,
            address: Ipv4Addr::LOCALHOST.into(),
            shape,
            table: BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(vec![0, 255]))]),
            unit: (),
        })
        .collect()
}

/// Values there and back, and on both one-way channels.
async fn round_trip<C: Codec + Copy + Send + Sync>(codec: C) {
    let server = server().await;
    let (jobs, mut results) = server.channel::<Rich, Rich>("echo").codec(codec).open().unwrap();
    let down = server.sender::<Rich>("down").codec(codec).open().unwrap();
    let mut up = server.receiver::<Rich>("up").codec(codec).open().unwrap();
    let worker = worker(&server).await;
    let serving = worker.serve("echo", |job: Rich| async move { job }).codec(codec).concurrency(1);
    let serving = tokio::spawn(serving.into_future());
    let mut received = worker.receiver::<Rich>("down").codec(codec).await.unwrap();
    let sent = worker.sender::<Rich>("up").codec(codec).await.unwrap();
    for value in values() {
        jobs.send(value.clone()).await.unwrap();
        down.send(value.clone()).await.unwrap();
        sent.send(value.clone()).await.unwrap();
        assert_eq!(up.recv().await.unwrap(), Some(value));
    }
    drop((jobs, down));
    assert_eq!(collect(&mut results).await, values());
    assert_eq!(collect(&mut received).await, values());
    serving.await.unwrap().unwrap();
}

#[test]
fn postcard_round_trips() {
    run(round_trip(Postcard));
}

#[test]
fn json_round_trips() {
    run(round_trip(Json));
}

#[test]
fn messagepack_round_trips() {
    run(round_trip(MessagePack));
}
