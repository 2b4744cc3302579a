//! What every object store does.

use bytes::Bytes;
use futures_util::future::join_all;

use super::Behaviour;
use crate::ports::{Created, Kind, ObjectStore};

/// Runs the suite below a prefix (empty, or ending in `/`) under which nothing lies yet.
///
/// # Panics
/// When a behaviour does not hold.
pub async fn run(store: &dyn ObjectStore, prefix: &str) {
    reads_back_what_was_created(store, prefix).await;
    a_missing_object_is_not_found(store, prefix).await;
    lists_in_ascending_order(store, prefix).await;
    pages_through_a_listing(store, prefix).await;
    lists_by_text_not_by_folder(store, prefix).await;
    takes_large_and_empty_objects(store, prefix).await;
    if store.is_create_only() {
        never_overwrites(store, prefix).await;
        of_many_creators_one_wins(store, prefix).await;
    }
    Behaviour("check of a working store is ok").ok(store.check().await);
}

async fn keys(
    be: Behaviour,
    store: &dyn ObjectStore,
    prefix: &str,
    after: Option<&str>,
    max: usize,
) -> Vec<String> {
    let listed = be.ok(store.list(prefix, after, max).await);
    listed.into_iter().map(|meta| meta.key).collect()
}

async fn create_all(be: Behaviour, store: &dyn ObjectStore, keys: &[String]) {
    for key in keys {
        let created = be.ok(store.create(key, Bytes::from(key.clone())).await);
        be.same(created, Created::New);
    }
}

async fn reads_back_what_was_created(store: &dyn ObjectStore, prefix: &str) {
    let be = Behaviour("reads back what was created");
    let key = format!("{prefix}a/2026/01/02/x.ndjson.zst");
    let content = Bytes::from_static(b"\x00\xff\r\n{}");
    be.same(be.ok(store.create(&key, content.clone()).await), Created::New);
    be.same(be.ok(store.get(&key).await), content);
    let listed = be.ok(store.list(&key, None, 10).await);
    be.same(listed.len(), 1);
    be.same(listed[0].size_bytes, 6);
}

async fn a_missing_object_is_not_found(store: &dyn ObjectStore, prefix: &str) {
    let be = Behaviour("a missing object is not found");
    be.fails(store.get(&format!("{prefix}missing/x")).await, Kind::NotFound);
    // A folder of keys is no object.
    be.fails(store.get(&format!("{prefix}a/2026")).await, Kind::NotFound);
    be.empty(&keys(be, store, &format!("{prefix}missing/"), None, 10).await);
}

async fn lists_in_ascending_order(store: &dyn ObjectStore, prefix: &str) {
    let be = Behaviour("lists keys in ascending order of their bytes");
    // `-` and `.` sort before `/`, `0` after it: the order of keys is not that of folders.
    let names = ["b/d0", "b/d", "b/d-1", "b/d.x", "b/e/1", "b/e-1", "b/e0", "b/e/0/9", "b/E"];
    let mut all: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    create_all(be, store, &all).await;
    all.sort();
    be.same(keys(be, store, &format!("{prefix}b/"), None, 100).await, all);
}

async fn pages_through_a_listing(store: &dyn ObjectStore, prefix: &str) {
    let be = Behaviour("pages through a listing");
    let folder = format!("{prefix}b/");
    let all = keys(be, store, &folder, None, 100).await;
    for size in 1..4 {
        let mut paged: Vec<String> = Vec::new();
        loop {
            let page = keys(be, store, &folder, paged.last().map(String::as_str), size).await;
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= size, "{}: a page of {} for {size}", be.0, page.len());
            paged.extend(page);
        }
        be.same(&paged, &all);
    }
    let beyond = format!("{prefix}zzz");
    be.empty(&keys(be, store, &folder, Some(&beyond), 10).await);
    let before = format!("{prefix}a");
    be.same(keys(be, store, &folder, Some(&before), 100).await, all);
}

async fn lists_by_text_not_by_folder(store: &dyn ObjectStore, prefix: &str) {
    let be = Behaviour("a prefix is a text, not a folder");
    let found = keys(be, store, &format!("{prefix}b/e"), None, 100).await;
    let expected = ["b/e-1", "b/e/0/9", "b/e/1", "b/e0"];
    be.same(found, expected.map(|name| format!("{prefix}{name}")));
}

async fn takes_large_and_empty_objects(store: &dyn ObjectStore, prefix: &str) {
    let be = Behaviour("takes large and empty objects");
    for (name, size) in [("c/empty", 0), ("c/large", 9 << 20)] {
        let content = Bytes::from(vec![b'x'; size]);
        let key = format!("{prefix}{name}");
        be.same(be.ok(store.create(&key, content.clone()).await), Created::New);
        be.same(be.ok(store.get(&key).await) == content, true);
    }
}

async fn never_overwrites(store: &dyn ObjectStore, prefix: &str) {
    let be = Behaviour("a taken key stays as it is");
    let key = format!("{prefix}d/one");
    be.same(be.ok(store.create(&key, Bytes::from_static(b"first")).await), Created::New);
    for content in ["second", "first"] {
        be.same(be.ok(store.create(&key, Bytes::from(content)).await), Created::Exists);
    }
    be.same(be.ok(store.get(&key).await), Bytes::from_static(b"first"));
}

async fn of_many_creators_one_wins(store: &dyn ObjectStore, prefix: &str) {
    let be = Behaviour("of many creators of one key one wins");
    let key = format!("{prefix}e/new/folder/one");
    let contents: Vec<Bytes> = (0..8).map(|n| Bytes::from(format!("creator {n}"))).collect();
    let results = join_all(contents.iter().map(|c| store.create(&key, c.clone()))).await;
    let created: Vec<Created> = results.into_iter().map(|result| be.ok(result)).collect();
    let winners: Vec<usize> =
        (0..created.len()).filter(|at| created[*at] == Created::New).collect();
    be.same(winners.len(), 1);
    be.same(be.ok(store.get(&key).await), &contents[winners[0]]);
    be.same(keys(be, store, &format!("{prefix}e/"), None, 100).await, vec![key]);
}
