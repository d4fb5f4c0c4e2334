//! The connection to the server.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

/// How to come to a server, and who one is there.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) url: String,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) certificates: Option<PathBuf>,
}

/// A connection. It comes back by itself when it is lost; what is sent meanwhile is lost.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    client: Client,
}

impl Bus {
    /// Connects, trying for so long, or for ever: then `waits` is told once why it has to.
    ///
    /// # Errors
    ///
    /// Why there is no connection, in one line.
    pub(crate) async fn connect(
        access: &Access,
        name: &str,
        limit: Option<Duration>,
        waits: impl Fn(&str),
    ) -> Result<Bus, String> {
        let mut options = ConnectOptions::new()
            .name(name)
            .ping_interval(Duration::from_secs(2))
            .connection_timeout(limit.unwrap_or(LONG).min(LONG))
            .reconnect_delay_callback(pause);
        if let Some(path) = &access.credentials {
            options = options.credentials_file(path).await.map_err(|error| {
                format!("the credentials {} cannot be read: {error}", path.display())
            })?;
        }
        if let Some(path) = &access.certificates {
            std::fs::metadata(path).map_err(|error| {
                format!(
                    "the certificates {} cannot be read: {error}",
                    path.display()
                )
            })?;
            options = options
                .add_root_certificates(path.clone())
                .require_tls(true);
        }
        let url = &bare(&access.url);
        if let Some(secret) = secret(&access.url) {
            let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            options = match secret.split_once(':') {
                Some((user, password)) => options.user_and_password(decode(user), decode(password)),
                None => options.token(decode(secret)),
            };
        }
        let refused = |error: String| format!("no connection to {}: {error}", bare(&access.url));
        let Some(limit) = limit else {
            let mut told = false;
            loop {
                match options.clone().connect(url).await {
                    Ok(client) => return Ok(Bus { client }),
                    // It may be that the server starts later; an answer that says no is one for ever.
                    Err(error) if is_final(&error) => return Err(refused(report(&error))),
                    Err(error) => {
                        if !std::mem::replace(&mut told, true) {
                            waits(&refused(report(&error)));
                        }
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                }
            }
        };
        match tokio::time::timeout(limit, options.connect(url)).await {
            Ok(Ok(client)) => Ok(Bus { client }),
            Ok(Err(error)) => Err(refused(report(&error))),
            Err(_) => Err(refused(format!("there is no answer within {limit:?}"))),
        }
    }

    /// # Errors
    ///
    /// The connection is closed.
    pub(crate) async fn subscribe(&self, subject: String) -> Result<Subscriber, String> {
        let subscribed = self.client.subscribe(subject).await;
        subscribed.map_err(|error| error.to_string())
    }

    /// Whether there is a server at the other end, as far as is known.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Sends a message. Where there is no connection it is lost, as it may be on its way.
    pub(crate) async fn publish(&self, subject: &str, message: impl Into<Bytes>) {
        if self.is_connected() {
            // What is not sent is lost, and comes again where it matters.
            let _ = self
                .client
                .publish(subject.to_owned(), message.into())
                .await;
        }
    }

    /// As [`publish`](Self::publish), with a subject to reply to.
    pub(crate) async fn ask(&self, subject: &str, reply: String) {
        // As for `publish`.
        let _ = self
            .client
            .publish_with_reply(subject.to_owned(), reply, Bytes::new())
            .await;
    }

    /// Waits until the server has what was sent, for a short time.
    pub(crate) async fn flush(&self) {
        // Where the connection is lost, so is what was sent.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.client.flush()).await;
    }
}

/// How long to wait before a try to connect: not at all before the first.
fn pause(tries: usize) -> Duration {
    match tries {
        0 | 1 => Duration::ZERO,
        more => Duration::from_millis(25 << more.min(6)),
    }
}

/// The longest that a single try to connect may take.
const LONG: Duration = Duration::from_secs(5);

/// Whether a server has refused one, so that it is no use to try again.
fn is_final(error: &async_nats::ConnectError) -> bool {
    use async_nats::ConnectErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Authentication | Kind::AuthorizationViolation | Kind::ServerParse | Kind::Tls
    )
}

fn report(error: &async_nats::ConnectError) -> String {
    pool_core::Report::new(error).to_string()
}

/// What stands before the host of an address: a user and a password, or a token.
fn secret(url: &str) -> Option<&str> {
    let (before, _) = url.rsplit_once('@')?;
    Some(
        before
            .split_once("://")
            .map_or(before, |(_, secret)| secret),
    )
}

/// An address without the secret that may be in it.
pub(crate) fn bare(url: &str) -> String {
    match secret(url) {
        Some(secret) => url.replacen(&format!("{secret}@"), "", 1),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{bare, secret};

    #[test]
    fn an_address_is_told_without_its_secret() {
        assert_eq!(bare("nats://me:secret@host:4222"), "nats://host:4222");
        assert_eq!(bare("token@host"), "host");
        assert_eq!(secret("nats://a:b@host"), Some("a:b"));
        assert_eq!(bare("host:4222"), "host:4222");
    }
}
