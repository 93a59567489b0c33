//! The tasks that one baseline is of.

use crate::{NoName, TaskName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Bytes of their names together, with what joins them, that a file's name has: as many as one name has.
pub const TASKS_LONGEST: usize = policy::NAME_LONGEST;

/// What joins names.
const JOINED_BY: &str = "+";

/// One task, or several of which what is normal for any is normal. At least one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tasks(Vec<TaskName>);

impl Tasks {
    /// Whether it is this task and no other.
    pub fn is_only(&self, task: &TaskName) -> bool {
        self.0 == [task.clone()]
    }

    /// The task, where it is one.
    pub fn only(&self) -> Option<&TaskName> {
        match self.0.as_slice() {
            [task] => Some(task),
            _ => None,
        }
    }

    /// Those of both, each once.
    pub fn and(mut self, others: &Tasks) -> Tasks {
        for task in &others.0 {
            if !self.0.contains(task) {
                self.0.push(task.clone());
            }
        }
        self
    }

    /// Whether they may be a file's name.
    pub fn is_short(&self) -> bool {
        self.to_string().len() <= TASKS_LONGEST
    }
}

impl From<TaskName> for Tasks {
    fn from(task: TaskName) -> Self {
        Tasks(vec![task])
    }
}

impl FromStr for Tasks {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let mut tasks = Tasks(Vec::new());
        for task in text.split(JOINED_BY) {
            tasks = tasks.and(&Tasks::from(task.parse::<TaskName>()?));
        }
        Ok(tasks)
    }
}

impl TryFrom<String> for Tasks {
    type Error = NoName;

    fn try_from(text: String) -> Result<Self, NoName> {
        text.parse()
    }
}

impl From<Tasks> for String {
    fn from(tasks: Tasks) -> String {
        tasks.to_string()
    }
}

impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(TaskName::as_str).collect();
        f.pad(&names.join(JOINED_BY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(text: &str) -> Tasks {
        text.parse().unwrap()
    }

    #[test]
    fn several_are_joined_and_each_is_named_once() {
        let both = tasks("edit").and(&tasks("test")).and(&tasks("edit"));
        assert_eq!(both.to_string(), "edit+test");
        assert_eq!([tasks("edit+test"), tasks("edit+test+edit")], [both.clone(), both.clone()]);
        let edit: TaskName = "edit".parse().unwrap();
        assert!(tasks("edit").is_only(&edit) && !both.is_only(&edit));
        assert_eq!((tasks("edit").only(), both.only()), (Some(&edit), None));
    }

    #[test]
    fn what_is_no_name_is_no_task() {
        for bad in ["", "+", "edit+", "../x", "edit+a/b"] {
            assert_eq!(bad.parse::<Tasks>(), Err(NoName), "{bad}");
        }
    }

    #[test]
    fn more_than_a_files_name_holds_is_said() {
        let long = "x".repeat(40);
        assert!(tasks(&long).is_short() && !tasks(&format!("{long}+y{long}")).is_short());
    }
}
