//! What is wrong with the configuration, all of it at once.

use std::fmt;

/// One thing that is wrong with the configuration, and what to do about it. Carries no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblem {
    /// The variable, as an operator would set it, or the key of the config file.
    pub name: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub mend: String,
}

impl SettingProblem {
    pub fn new(
        name: impl Into<String>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            message: message.into(),
            mend: mend.into(),
        }
    }
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}\n    mend: {}",
            self.name, self.message, self.mend
        )
    }
}

/// Everything found wrong in one reading of the configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblems(pub Vec<SettingProblem>);

impl fmt::Display for SettingProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "one setting needs mending")?,
            count => write!(f, "{count} settings need mending")?,
        }
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingProblems {}
