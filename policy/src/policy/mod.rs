//! Rules in their order: read from a file, asked about a place, and changed in the file.

pub(crate) mod edit;
pub(crate) mod meet;
pub(crate) mod read;

use crate::rule::{Effect, Row, Rule};

/// Rules, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub(crate) rules: Vec<Rule>,
}

impl Policy {
    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of an id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// What is refused, a row a site.
    pub fn denied(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows().filter(|row| row.rule.effect == Effect::Deny)
    }

    /// Every rule at every site.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rules.iter().flat_map(|rule| rule.sites.iter().map(move |site| Row { rule, site }))
    }
}
