//! Pruning: what is kept, what is removed, and what is damaged.

use super::*;

/// Versions v1 to v4; v2 is live and v1 was before it.
async fn four_versions(store: &Store) {
    let mut versions = Vec::new();
    for version in ["v1", "v2", "v3", "v4"] {
        versions.push(publish(store, version).await);
    }
    let first = store.promote("live", &versions[0], None, cause()).await.unwrap();
    store.promote("live", &versions[1], Some(&first), cause()).await.unwrap();
}

/// Keeps so many of the newest versions, whatever their age.
fn keep(keep: usize) -> PruningRule<'static> {
    PruningRule { keep, created_before: None, name: None }
}

fn removed(pruning: &Pruning) -> Vec<&str> {
    pruning.removed.iter().map(|removed| removed.version.as_str()).collect()
}

#[tokio::test]
async fn the_newest_and_what_channels_name_or_return_to_are_kept() {
    each_store(async |Fixture { store, local, .. }| {
        four_versions(store).await;
        let pruning = store.plan_pruning(keep(1)).await.unwrap();
        assert_eq!(removed(&pruning), ["v3"]);
        assert_eq!(pruning.removed[0].bytes, 5);
        let kept: Vec<_> = pruning.kept.iter().map(|kept| (&*kept.version, &*kept.reason)).collect();
        let expected = [
            ("v4", "one of the 1 newest"),
            ("v2", "channel live"),
            ("v1", "channel live would return to it"),
        ];
        assert_eq!(kept, expected);
        assert_eq!(verify_visible(store, local.path()).await.len(), 4, "a plan removes nothing");

        assert!(store.remove_version(MODEL, "v3").await.unwrap());
        assert!(store.remove_version(MODEL, "v3").await.unwrap(), "twice is no error");
        assert_eq!(verify_visible(store, local.path()).await, ["v1", "v2", "v4"]);
        store.rollback("live", None, cause()).await.unwrap();
        assert_eq!(
            removed(&store.plan_pruning(PruningRule { name: Some(MODEL), ..keep(0) }).await.unwrap()),
            ["v4"]
        );
    })
    .await;
}

/// Every version of these tests was made on 2026-11-23 at noon.
#[tokio::test]
async fn versions_that_are_too_young_are_kept() {
    each_store(async |Fixture { store, .. }| {
        four_versions(store).await;
        for (created_before, expected) in
            [("2026-11-23T12:00:00Z", &[][..]), ("2026-11-23T12:00:01Z", &["v4", "v3"][..])]
        {
            let rule = PruningRule { created_before: Some(created_before), ..keep(0) };
            assert_eq!(removed(&store.plan_pruning(rule).await.unwrap()), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn a_version_that_is_promoted_meanwhile_is_not_removed() {
    each_store(async |Fixture { store, local, .. }| {
        four_versions(store).await;
        assert!(!store.remove_version(MODEL, "v2").await.unwrap());
        assert!(!store.remove_version(MODEL, "v1").await.unwrap());
        assert_eq!(verify_visible(store, local.path()).await.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_named_and_an_unknown_channel_stops_it() {
    each_store(async |Fixture { store, folder, .. }| {
        four_versions(store).await;
        overwrite(store, "models/the-verdict/v4/manifest.json", b"{}").await;
        let pruning = store.plan_pruning(keep(1)).await.unwrap();
        // v3 is the newest that is one.
        assert!(pruning.removed.is_empty(), "{pruning:?}");
        assert!(pruning.unreadable[0].to_string().contains("v4/manifest.json"));
        assert!(folder.join("models/the-verdict/v4/model.onnx").exists());

        overwrite(store, "channels/beta.json", b"{").await;
        assert!(matches!(store.plan_pruning(keep(1)).await.unwrap_err(), StoreError::Channel { .. }));
        assert!(store.remove_version(MODEL, "v3").await.is_err());
        assert!(store.plan_pruning(PruningRule { name: Some("other"), ..keep(1) }).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_the_last_version() {
    each_store(async |Fixture { store, folder, .. }| {
        publish(store, "v1").await;
        assert!(store.remove_version(MODEL, "v1").await.unwrap());
        assert!(store.models().await.unwrap().is_empty());
        assert!(!folder.join("models").join(MODEL).join("v1/model.onnx").exists());
    })
    .await;
}
