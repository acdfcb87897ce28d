//! Connections that end, or are damaged, under TLS: each that is made again is sealed anew, and shows its ticket anew; the session goes on.

use crate::proxy::{Cut, Way};
use crate::site::{Site, Times, run, until};

#[test]
fn a_cut_connection_is_made_again_and_nothing_is_begun_twice() {
    run(async {
        let site = Site::secured(Times::PATIENT, 1).await;
        site.add_worker("first", true).await;
        site.add_worker("second", true).await;
        let outcome = site
            .under(async |site| {
                let before = site.sessions();
                for cut in [Cut::Both, Cut::WorkersEnd, Cut::Both] {
                    site.proxy.cut(cut);
                    site.progress_of("first", 20).await;
                    site.progress_of("second", 20).await;
                }
                assert_eq!(site.sessions(), before, "the sessions were resumed");
            })
            .await;
        assert_eq!(outcome.begun_again, 0);
    });
}

#[test]
fn a_flipped_bit_ends_a_connection_and_never_becomes_a_wrong_value() {
    run(async {
        let mut resumed = 0;
        for seed in 0..4 {
            let site = Site::secured(Times::SHORT, seed).await;
            site.add_worker("proxied", true).await;
            let mut stays = true;
            let outcome = site
                .under(async |site| {
                    let before = site.sessions();
                    for way in [Way::ToServer, Way::ToWorker] {
                        site.proxy.flip(way);
                        until("the flip is done", || site.proxy.is_flipped()).await;
                        site.progress(30).await;
                    }
                    // A record's length that was changed is waited for, until silence tells; that ends the session.
                    stays = site.sessions() == before;
                })
                .await;
            if stays {
                resumed += 1;
                assert_eq!(outcome.begun_again, 0, "seed {seed}");
            }
        }
        println!("in {resumed} of 4 runs every connection was followed by one of the same session");
        assert!(resumed > 0);
    });
}
