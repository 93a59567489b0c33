//! mini-swe-agent: a Python package. It speaks Chat Completions, in one piece, and ends with a command of its own.

use super::Agent;
use crate::Error;
use crate::cache::run;
use crate::model::Finish;
use crate::network::MODEL;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// The version that baselines are made of.
const VERSION: &str = "2.4.6";
/// An upgrade or what came before it, with which sessions are recorded besides.
const OTHER_VERSION: &str = "2.3.1";

/// The agent.
pub(super) struct Mini;

impl Agent for Mini {
    fn name(&self) -> &'static str {
        "mini-swe-agent"
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn other_version(&self) -> Option<&'static str> {
        Some(OTHER_VERSION)
    }

    fn install(&self, version: &str, directory: &Path) -> Result<(), Error> {
        // The system's interpreter: one below somebody's home could not be reached by the agent's user.
        run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(directory), "`python3 -m venv`")?;
        let mut pip = Command::new(directory.join("bin/python3"));
        pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]);
        run(pip.arg(format!("mini-swe-agent=={version}")).arg("mcp"), "`pip install mini-swe-agent`")
    }

    fn finish(&self) -> Finish {
        Finish::Command("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT".into())
    }

    fn configuration(&self) -> Vec<(&'static str, String)> {
        vec![(".config/mini-swe-agent/.env", "MSWEA_CONFIGURED='true'\n".into())]
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("OPENAI_API_BASE", format!("http://{MODEL}/v1").into()),
            ("OPENAI_API_KEY", "none".into()),
            ("MSWEA_CONFIGURED", "true".into()),
            ("MSWEA_COST_TRACKING", "ignore_errors".into()),
            ("LITELLM_LOCAL_MODEL_COST_MAP", "True".into()),
        ]
    }

    fn command(&self, installed: &Path, prompt: &str) -> Vec<OsString> {
        // As a module: the scripts in `bin` name the directory that they were installed in.
        let python = installed.join("bin/python3");
        let words = [
            "-m",
            "minisweagent.run.mini",
            "-m",
            "openai/scripted",
            "-y",
            "--exit-immediately",
            "-t",
            prompt,
        ];
        [python.into()].into_iter().chain(words.map(OsString::from)).collect()
    }
}
