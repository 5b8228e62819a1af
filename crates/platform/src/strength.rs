//! How hard a password is to guess (zxcvbn).

use apiverse_contract::auth::{PASSWORD_MAX, PasswordStrength, StrengthRequest, password_problem};

use crate::fault::{Busy, Invalid, operation_error};
use crate::platform::Platform;

operation_error! {
    /// Why a password was not looked at.
    StrengthError { Invalid, Busy }
}

/// The score a new password needs, of 0 to 4. Guessing here is slowed down and hashes are
/// Argon2id, which makes 2 (more than a million guesses) enough; the meter asks for more.
const LEAST_SCORE: u8 = 2;
/// The estimate takes longer with each character, and what comes after these no longer matters.
const LOOKED_AT: usize = 100;
const MOST_HINTS: usize = 10;
/// Words of this installation that guessers would try first.
const OWN_WORDS: [&str; 2] = ["apiverse", "gateway"];

/// Looks at a password; slow, so not on a thread that serves.
fn estimate(password: &str, hints: &[String]) -> PasswordStrength {
    let start: String = password.chars().take(LOOKED_AT).collect();
    let hints: Vec<&str> = hints.iter().map(String::as_str).chain(OWN_WORDS).collect();
    let entropy = zxcvbn::zxcvbn(&start, &hints);
    let score = u8::from(entropy.score());
    let feedback = entropy.feedback();
    let warning = feedback
        .and_then(zxcvbn::feedback::Feedback::warning)
        .map(|warning| warning.to_string());
    let suggestions = feedback.map_or_else(Vec::new, |feedback| {
        feedback
            .suggestions()
            .iter()
            .map(ToString::to_string)
            .collect()
    });
    PasswordStrength {
        score,
        is_acceptable: score >= LEAST_SCORE,
        guesses_log10: (entropy.guesses_log10() * 10.0).round() / 10.0,
        warning,
        suggestions,
    }
}

impl Platform {
    /// How hard a password is to guess, and what would help.
    ///
    /// # Errors
    /// See [`StrengthError`].
    pub async fn password_strength(
        &self,
        input: StrengthRequest,
    ) -> Result<PasswordStrength, StrengthError> {
        if input.password.chars().count() > PASSWORD_MAX {
            return Err(Invalid::one("password", "must have at most 256 characters").into());
        }
        if input.hints.len() > MOST_HINTS || input.hints.iter().any(|hint| hint.len() > 254) {
            let message = "must be at most 10 texts of at most 254 bytes";
            return Err(Invalid::one("hints", message).into());
        }
        let mut strength = self.strength(input.password.clone(), input.hints).await?;
        if password_problem(&input.password, "").is_some() {
            strength.is_acceptable = false;
        }
        Ok(strength)
    }

    /// What is wrong with a new password of somebody with these words about them, if anything.
    pub(crate) async fn new_password_problem(
        &self,
        password: &str,
        email: &str,
        full_name: Option<&str>,
    ) -> Result<Option<String>, Busy> {
        if let Some(message) = password_problem(password, email) {
            return Ok(Some(message.to_owned()));
        }
        let mut hints = vec![email.to_owned()];
        hints.extend(email.split(['@', '.', '+', '-', '_']).map(str::to_owned));
        hints.extend(
            full_name
                .into_iter()
                .flat_map(str::split_whitespace)
                .map(str::to_owned),
        );
        hints.retain(|hint| hint.len() > 2);
        hints.truncate(2 * MOST_HINTS);
        let strength = self.strength(password.to_owned(), hints).await?;
        if strength.is_acceptable {
            return self.breached_problem(password).await;
        }
        let why = strength
            .warning
            .into_iter()
            .chain(strength.suggestions)
            .next();
        let why = why.unwrap_or_else(|| "Add another word or two.".to_owned());
        Ok(Some(format!("is too easy to guess: {why}")))
    }

    /// Refuses a password that was stolen elsewhere. A list that cannot be read keeps nobody from
    /// having an account: the log tells.
    async fn breached_problem(&self, password: &str) -> Result<Option<String>, Busy> {
        let Some(list) = self.inner.config.accounts.breached.clone() else {
            return Ok(None);
        };
        let password = password.to_owned();
        let looked_up = self
            .inner
            .passwords
            .on_a_core(move || list.contains(&password))
            .await?;
        match looked_up {
            Ok(true) => Ok(Some(
                "was stolen from another service and is on lists that are tried everywhere; choose another one"
                    .to_owned(),
            )),
            Ok(false) => Ok(None),
            Err(error) => {
                tracing::error!(%error, "the list of stolen passwords cannot be read");
                Ok(None)
            }
        }
    }

    async fn strength(
        &self,
        password: String,
        hints: Vec<String>,
    ) -> Result<PasswordStrength, Busy> {
        self.inner
            .passwords
            .on_a_core(move || estimate(&password, &hints))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_easy_to_guess_is_refused() {
        for password in [
            "password12",
            "qwertyuiop",
            "1234567890",
            "aaaaaaaaaab",
            "apiverse2026",
            "letmein1234",
        ] {
            let strength = estimate(password, &[]);
            assert!(!strength.is_acceptable, "{password}: {strength:?}");
            assert!(strength.warning.is_some() || !strength.suggestions.is_empty());
        }
        for password in [
            "correct horse battery",
            "a password of some length",
            "kX9#mQ2$vL7!",
        ] {
            assert!(estimate(password, &[]).is_acceptable, "{password}");
        }
        let hints = ["ada.lovelace@example.com".to_owned(), "lovelace".to_owned()];
        assert!(!estimate("lovelace12", &hints).is_acceptable);
    }

    #[test]
    fn a_long_one_is_not_looked_at_whole() {
        let long = "ab".repeat(PASSWORD_MAX / 2);
        assert!(estimate(&long, &[]).score <= 4);
        assert_eq!(estimate("", &[]).score, 0);
    }
}
