//! Bytes that change on their way: the checksum finds them, the connection ends, and the session goes on over the next one.

use tokio::time::Instant;

use crate::proxy::Way;
use crate::site::{Site, Times, run, until};

#[test]
fn a_flipped_bit_ends_the_connection_and_never_becomes_a_wrong_value() {
    run(async {
        let mut resumed = 0;
        for seed in 0..6 {
            let site = Site::new(Times::SHORT, seed).await;
            site.add_worker("proxied", true).await;
            let mut stays = true;
            let outcome = site
                .under(async |site| {
                    let before = site.sessions();
                    for way in [Way::ToServer, Way::ToWorker].repeat(3) {
                        let start = Instant::now();
                        site.proxy.flip(way);
                        until("the flip is done", || site.proxy.is_flipped()).await;
                        site.progress(30).await;
                        println!("seed {seed}, {way:?}: on again after {:?}", start.elapsed());
                    }
                    // A length that was changed may look like a large frame, until silence tells; that ends the session.
                    stays = site.sessions() == before;
                })
                .await;
            if stays {
                resumed += 1;
                assert_eq!(outcome.begun_again, 0, "seed {seed}");
            }
        }
        println!("in {resumed} of 6 runs every connection was followed by one of the same session");
        assert!(resumed > 0);
    });
}
