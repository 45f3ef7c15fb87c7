//! The scripts of `api.rs`, in a dedicated worker, where there is no window.
#![cfg(target_family = "wasm")]

mod scripts;

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn a_cluster_of_one() {
    scripts::run(include_str!("api/alone.js")).await;
}

#[wasm_bindgen_test]
async fn a_cluster_of_tabs() {
    scripts::run(include_str!("api/tabs.js")).await;
}
