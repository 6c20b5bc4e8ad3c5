//! Promotion, rollback, and races for a channel.

use super::*;
use crate::history::LONGEST_HISTORY;

#[tokio::test]
async fn a_channel_remembers_the_version_before() {
    each_store(async |Fixture { store, .. }| {
        let (first, second) = (publish(store, "v1").await, publish(store, "v2").await);
        assert_eq!(store.find_channel("live").await.unwrap(), None);
        let before = store.promote("live", &first, None, cause()).await.unwrap();
        let after = store.promote("live", &second, Some(&before), cause()).await.unwrap();
        assert_eq!((&after.current, after.previous.as_ref()), (&second, Some(&first)));
        // Promoting it again changes nothing, so a retry does not forget the version before.
        assert_eq!(store.promote("live", &second, Some(&after), cause()).await.unwrap(), after);
        assert_eq!(store.promote("live", &second, Some(&before), cause()).await.unwrap(), after);
        assert_eq!(store.channel("live").await.unwrap(), after);
    })
    .await;
}

#[tokio::test]
async fn a_rollback_returns_and_a_second_one_undoes_it() {
    each_store(async |Fixture { store, .. }| {
        let (first, second) = (publish(store, "v1").await, publish(store, "v2").await);
        let before = store.promote("live", &first, None, cause()).await.unwrap();
        let error = store.rollback("live", None, cause()).await.unwrap_err();
        assert!(matches!(error, StoreError::NoPrevious { .. }), "{error}");

        let after = store.promote("live", &second, Some(&before), cause()).await.unwrap();
        let back = store.rollback("live", None, cause()).await.unwrap();
        assert_eq!((&back.current, back.previous.as_ref()), (&first, Some(&second)));
        let again = store.rollback("live", None, cause()).await.unwrap();
        assert_eq!((again.current, again.previous), (after.current, after.previous));
    })
    .await;
}

#[tokio::test]
async fn a_channel_remembers_who_moved_it_and_returns_to_any_version_that_it_has_named() {
    each_store(async |Fixture { store, folder, .. }| {
        let mut versions = Vec::new();
        let mut channel = None;
        for (name, loss) in [("v1", 3.5), ("v2", 3.25), ("v3", 3.0)] {
            versions.push(publish(store, name).await);
            let figures = BTreeMap::from([("validation_loss".to_owned(), loss)]);
            let cause = Cause { by: format!("job {name}"), reason: Reason::Gate, figures, ..cause() };
            channel =
                Some(store.promote("live", versions.last().unwrap(), channel.as_ref(), cause).await.unwrap());
        }
        let error = store.rollback("live", Some("v4"), cause()).await.unwrap_err();
        assert!(matches!(error, StoreError::NeverNamed { .. }), "{error}");
        let rollback = Cause { reason: Reason::Rollback, ..cause() };
        let back = store.rollback("live", Some("v1"), rollback.clone()).await.unwrap();
        assert_eq!((&back.current, back.previous.as_ref()), (&versions[0], Some(&versions[2])));
        let moves: Vec<_> =
            back.history.iter().map(|entry| (&*entry.version.version, &*entry.cause.by)).collect();
        assert_eq!(moves, [("v1", "somebody"), ("v3", "job v3"), ("v2", "job v2"), ("v1", "job v1")]);
        assert_eq!(back.history[0].cause, rollback);
        assert_eq!(store.channel("live").await.unwrap(), back);

        // As an earlier build left it: what is not remembered is not needed.
        let mut json: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join("channels/live.json")).unwrap()).unwrap();
        assert_eq!(json["history"][3]["figures"]["validation_loss"], 3.5);
        json.as_object_mut().unwrap().remove("history");
        overwrite(store, "channels/live.json", json.to_string().as_bytes()).await;
        let back = store.rollback("live", Some("v3"), cause()).await.unwrap();
        assert_eq!((&back.current, back.history.len()), (&versions[2], 1));
    })
    .await;
}

#[tokio::test]
async fn the_history_of_a_channel_is_bounded() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().to_str().unwrap()).await.unwrap();
    let versions = [publish(&store, "v1").await, publish(&store, "v2").await];
    let mut channel = store.promote("live", &versions[0], None, cause()).await.unwrap();
    for count in 1..=LONGEST_HISTORY {
        channel = store.promote("live", &versions[count % 2], Some(&channel), cause()).await.unwrap();
    }
    assert_eq!(channel.history.len(), LONGEST_HISTORY);
    assert_eq!(channel.history[0].version, channel.current);
}

#[tokio::test]
async fn a_decision_about_a_channel_that_has_changed_is_refused() {
    each_store(async |Fixture { store, .. }| {
        let (first, second) = (publish(store, "v1").await, publish(store, "v2").await);
        let third = publish(store, "v3").await;
        let old = store.promote("live", &first, None, cause()).await.unwrap();
        let now = store.promote("live", &second, Some(&old), cause()).await.unwrap();
        for expected in [None, Some(&old)] {
            let error = store.promote("live", &third, expected, cause()).await.unwrap_err();
            assert!(matches!(error, StoreError::LostRace { .. }), "{error}");
            assert!(error.to_string().contains("found the-verdict v2"), "{error}");
        }
        let error = store.promote("beta", &third, Some(&old), cause()).await.unwrap_err();
        assert!(error.to_string().contains("found no channel"), "{error}");
        assert_eq!(store.channel("live").await.unwrap(), now);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_promotions_one_wins_and_the_others_are_told() {
    each_store(async |Fixture { store, .. }| {
        let mut references = Vec::new();
        for number in 0..6 {
            references.push(publish(store, &format!("v{number}")).await);
        }
        let mut expected = None;
        // The first round makes the channel, the others replace it.
        for round in 0..10 {
            let race: Vec<_> = references
                .iter()
                .filter(|target| {
                    expected.as_ref().is_none_or(|channel: &Channel| channel.current != **target)
                })
                .map(|target| {
                    let (store, target, expected) = (store.clone(), target.clone(), expected.clone());
                    tokio::spawn(
                        async move { store.promote("live", &target, expected.as_ref(), cause()).await },
                    )
                })
                .collect();
            let mut winners = Vec::new();
            for promotion in race {
                match promotion.await.unwrap() {
                    Ok(channel) => winners.push(channel),
                    Err(error) => assert!(matches!(error, StoreError::LostRace { .. }), "{error}"),
                }
            }
            assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
            expected = Some(store.channel("live").await.unwrap());
            assert_eq!(expected.as_ref(), winners.first());
        }
    })
    .await;
}

#[tokio::test]
async fn a_channel_names_only_what_can_be_opened() {
    each_store(async |Fixture { store, .. }| {
        let reference = publish(store, "v1").await;
        let missing = VersionRef { version: "v2".to_owned(), ..reference };
        let error = store.promote("live", &missing, None, cause()).await.unwrap_err();
        assert!(matches!(error, StoreError::NoVersion { .. }), "{error}");
        assert_eq!(store.find_channel("live").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_damaged_or_missing_channel_is_named() {
    each_store(async |Fixture { store, .. }| {
        let error = store.channel("live").await.unwrap_err();
        assert!(error.to_string().contains("no channel `live`"), "{error}");
        assert!(matches!(store.channel("../models").await.unwrap_err(), StoreError::Name { .. }));

        overwrite(store, "channels/live.json", b"{\"name\": ").await;
        assert!(matches!(store.channel("live").await.unwrap_err(), StoreError::Channel { .. }));
        // What cannot be read is not replaced either: somebody should look at it.
        let reference = publish(store, "v1").await;
        let error = store.promote("live", &reference, None, cause()).await.unwrap_err();
        assert!(matches!(error, StoreError::Channel { .. }), "{error}");
    })
    .await;
}
