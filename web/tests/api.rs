//! The JavaScript API, from JavaScript: the scripts in `api/`, in a window.
#![cfg(target_family = "wasm")]

mod scripts;

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn a_cluster_of_one() {
    scripts::run(include_str!("api/alone.js")).await;
}

#[wasm_bindgen_test]
async fn a_cluster_of_tabs() {
    scripts::run(include_str!("api/tabs.js")).await;
}

#[wasm_bindgen_test]
async fn a_page_that_is_left() {
    scripts::run(include_str!("api/left.js")).await;
}
