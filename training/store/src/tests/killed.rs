//! Publication by writers that are killed at any moment.

use std::process::{Command, Stdio};
use std::time::Duration;

use s3_server::{ACCESS_KEY, BUCKET};

use super::*;
use crate::s3::PART_BYTES;

/// Set for the process that is to be killed: the store it publishes to.
const VICTIM_STORE: &str = "TEST_VICTIM_STORE";

/// The writer vanishes after its first request, after its second, and so on to the last.
#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_ends_anywhere_is_invisible_or_complete_and_can_be_completed() {
    let server = S3Server::start().await;
    let cache = tempfile::tempdir().unwrap();
    let graph = vec![7; PART_BYTES as usize + 1];
    let mut kills = 0;
    for requests in 1.. {
        let store = server.store(&format!("after-{requests}"));
        let (victim, manifest) = staged(&store, "v1", &graph).await;
        server.lose_answers_from(requests);
        let finished = tokio::select! {
            published = victim.publish(&manifest) => { published.unwrap(); true }
            () = server.answer_lost() => false,
        };
        server.lose_no_answers();
        let visible = verify_visible(&store, cache.path()).await;
        if finished {
            assert_eq!(visible, ["v1"]);
            break;
        }
        kills += 1;
        let (again, manifest) = staged(&store, "v1", &graph).await;
        again.publish(&manifest).await.unwrap();
        assert_eq!(verify_visible(&store, cache.path()).await, ["v1"]);
    }
    // Whether the file is there; begin, two parts, complete; the manifest.
    assert_eq!(kills, 6);
}

/// This test runs itself again as the process that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_never_sees_what_a_killed_process_has_not_completed() {
    if let Ok(location) = std::env::var(VICTIM_STORE) {
        return publish_until_killed(&Store::open(&location).await.unwrap()).await;
    }
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().to_str().unwrap();
    kill_repeatedly(&Store::open(directory).await.unwrap(), directory, "").await;

    let server = S3Server::start().await;
    let location = format!("s3://{BUCKET}/killed");
    kill_repeatedly(&server.store("killed"), &location, &server.endpoint).await;
}

async fn publish_until_killed(store: &Store) {
    for number in 0.. {
        let version = format!("{}-{number}", std::process::id());
        let (staged, manifest) = staged(store, &version, &vec![0; 1 << 20]).await;
        let reference = staged.publish(&manifest).await.unwrap();
        let before = store.find_channel("live").await.unwrap();
        store.promote("live", &reference, before.as_ref(), cause()).await.unwrap();
    }
}

async fn kill_repeatedly(store: &Store, location: &str, endpoint: &str) {
    let test = module_path!().split_once("::").unwrap().1.to_owned()
        + "::a_reader_never_sees_what_a_killed_process_has_not_completed";
    let cache = tempfile::tempdir().unwrap();
    let mut seen = 0;
    let mut life = Duration::from_millis(150);
    for _ in 0..12 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &test])
            .env(VICTIM_STORE, location)
            // Only what a user would set: this is also the test that the environment is heeded.
            .envs(s3_server::environment(endpoint, ACCESS_KEY))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(life).await;
        victim.kill().unwrap();
        victim.wait().unwrap();
        seen = verify_visible(store, cache.path()).await.len();
        // Not always at the same place; and longer where even the first version takes longer.
        life += if seen == 0 { life } else { Duration::from_millis(17) };
        if let Some(channel) = store.find_channel("live").await.unwrap() {
            store.open_version(&channel.current).await.unwrap();
        }
    }
    assert!(seen > 0, "no process lived long enough to publish anything");
    publish(store, "last").await;
    assert_eq!(verify_visible(store, cache.path()).await.len(), seen + 1);
}
