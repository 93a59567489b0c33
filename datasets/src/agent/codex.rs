//! Codex, of OpenAI: an npm package with a native program. It speaks the Responses API.

use super::Agent;
use crate::Error;
use crate::network::MODEL;
use std::ffi::OsString;
use std::path::Path;

/// The version that baselines are made of.
const VERSION: &str = "0.169.0";
/// An upgrade or what came before it, with which sessions are recorded besides.
const OTHER_VERSION: &str = "0.171.0";

/// The agent, with or without the sandbox that it brings (bubblewrap and seccomp).
pub(super) struct Codex {
    /// Its own sandbox is on.
    pub sandbox: bool,
}

impl Agent for Codex {
    fn name(&self) -> &'static str {
        if self.sandbox { "codex-sandbox" } else { "codex" }
    }

    fn is_sandboxed(&self) -> bool {
        self.sandbox
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn other_version(&self) -> Option<&'static str> {
        Some(OTHER_VERSION)
    }

    fn package(&self) -> &'static str {
        "codex"
    }

    fn install(&self, version: &str, directory: &Path) -> Result<(), Error> {
        super::npm(directory, &format!("@openai/codex@{version}"))
    }

    fn configuration(&self) -> Vec<(&'static str, String)> {
        // At the start plugins are fetched by git over HTTPS, which reads ~/.netrc, a jewel: there is nothing to fetch here.
        let text = format!(
            "model = \"scripted\"\nmodel_provider = \"local\"\ncheck_for_update_on_startup = false\n\n\
             [model_providers.local]\nname = \"local\"\nbase_url = \"http://{MODEL}/v1\"\nwire_api = \"responses\"\n\n\
             [analytics]\nenabled = false\n\n[features]\nplugins = false\n"
        );
        vec![(".codex/config.toml", text)]
    }

    fn command(&self, installed: &Path, prompt: &str) -> Vec<OsString> {
        let program = installed.join("node_modules/@openai/codex/bin/codex.js");
        let mut command: Vec<OsString> = vec!["node".into(), program.into(), "exec".into()];
        command.push("--skip-git-repo-check".into());
        if self.sandbox {
            command.extend(["--sandbox", "workspace-write"].map(OsString::from));
        } else {
            command.push("--dangerously-bypass-approvals-and-sandbox".into());
        }
        command.push(prompt.into());
        command
    }
}
