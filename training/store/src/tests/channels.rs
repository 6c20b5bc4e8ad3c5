//! Promotion, rollback, and races for a channel.

use super::*;

#[tokio::test]
async fn a_channel_remembers_the_version_before() {
    each_store(async |Fixture { store, .. }| {
        let (first, second) = (publish(store, "v1").await, publish(store, "v2").await);
        assert_eq!(store.find_channel("live").await.unwrap(), None);
        let before = store.promote("live", &first, None).await.unwrap();
        let after = store.promote("live", &second, Some(&before)).await.unwrap();
        assert_eq!(after, Channel { current: second.clone(), previous: Some(first) });
        // Promoting it again changes nothing, so a retry does not forget the version before.
        assert_eq!(store.promote("live", &second, Some(&after)).await.unwrap(), after);
        assert_eq!(store.promote("live", &second, Some(&before)).await.unwrap(), after);
        assert_eq!(store.channel("live").await.unwrap(), after);
    })
    .await;
}

#[tokio::test]
async fn a_rollback_returns_and_a_second_one_undoes_it() {
    each_store(async |Fixture { store, .. }| {
        let (first, second) = (publish(store, "v1").await, publish(store, "v2").await);
        let before = store.promote("live", &first, None).await.unwrap();
        let error = store.rollback("live").await.unwrap_err();
        assert!(matches!(error, StoreError::NoPrevious { .. }), "{error}");

        let after = store.promote("live", &second, Some(&before)).await.unwrap();
        let back = store.rollback("live").await.unwrap();
        assert_eq!(back, Channel { current: first, previous: Some(second) });
        assert_eq!(store.rollback("live").await.unwrap(), after);
    })
    .await;
}

#[tokio::test]
async fn a_decision_about_a_channel_that_has_changed_is_refused() {
    each_store(async |Fixture { store, .. }| {
        let (first, second) = (publish(store, "v1").await, publish(store, "v2").await);
        let third = publish(store, "v3").await;
        let old = store.promote("live", &first, None).await.unwrap();
        let now = store.promote("live", &second, Some(&old)).await.unwrap();
        for expected in [None, Some(&old)] {
            let error = store.promote("live", &third, expected).await.unwrap_err();
            assert!(matches!(error, StoreError::LostRace { .. }), "{error}");
            assert!(error.to_string().contains("found the-verdict v2"), "{error}");
        }
        let error = store.promote("beta", &third, Some(&old)).await.unwrap_err();
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
                    tokio::spawn(async move { store.promote("live", &target, expected.as_ref()).await })
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
        let error = store.promote("live", &missing, None).await.unwrap_err();
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
        let error = store.promote("live", &reference, None).await.unwrap_err();
        assert!(matches!(error, StoreError::Channel { .. }), "{error}");
    })
    .await;
}
