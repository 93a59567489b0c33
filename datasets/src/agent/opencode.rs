//! opencode: an npm package with a native program. It speaks Chat Completions, streaming.

use super::Agent;
use crate::Error;
use crate::network::MODEL;
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;

/// The version that baselines are made of.
const VERSION: &str = "1.18.33";
/// An upgrade or what came before it, with which sessions are recorded besides.
const OTHER_VERSION: &str = "1.17.0";

/// The agent.
pub(super) struct Opencode;

impl Agent for Opencode {
    fn name(&self) -> &'static str {
        "opencode"
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn other_version(&self) -> Option<&'static str> {
        Some(OTHER_VERSION)
    }

    fn install(&self, version: &str, directory: &Path) -> Result<(), Error> {
        super::npm(directory, &format!("opencode-ai@{version}"))
    }

    fn configuration(&self) -> Vec<(&'static str, String)> {
        // Without the first field opencode writes its own configuration at the first start, which is a jewel.
        let configuration = json!({
            "$schema": "https://opencode.ai/config.json",
            "model": "local/scripted",
            "autoupdate": false,
            "share": "disabled",
            "provider": {"local": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "local",
                "options": {"baseURL": format!("http://{MODEL}/v1")},
                "models": {"scripted": {"name": "scripted"}},
            }},
            "permission": {"bash": "allow", "edit": "allow", "external_directory": "allow"},
        });
        vec![(".config/opencode/opencode.json", configuration.to_string())]
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        // There is nothing to look up: without these the machine's own name servers are asked.
        ["OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_DISABLE_AUTOUPDATE", "OPENCODE_DISABLE_LSP_DOWNLOAD"]
            .map(|name| (name, "true".into()))
            .to_vec()
    }

    fn command(&self, installed: &Path, prompt: &str) -> Vec<OsString> {
        let program = installed.join("node_modules/.bin/opencode");
        vec![program.into(), "run".into(), prompt.into()]
    }
}
