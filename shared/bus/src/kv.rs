//! A shelf on the bus for the little that a feed must find again after a restart.
//!
//! Knows: keys and bytes. Never: what they mean.

use bytes::Bytes;

use crate::connect::{ANSWER_WITHIN, Bus};
use crate::error::BusError;
use crate::topology::feed_bucket;

impl Bus {
    /// Keeps `value` under `key` (letters, digits, `-`, `_`), in place of what was there.
    ///
    /// # Errors
    /// When the bus does not confirm it within 5 s.
    pub async fn kv_put(&self, key: &str, value: Vec<u8>) -> Result<(), BusError> {
        let put = async {
            let bucket = feed_bucket(&self.jetstream).await?;
            let failed = |source| BusError::Unacknowledged { subject: key.to_owned(), source };
            bucket.put(key, value.into()).await.map(drop).map_err(|source| failed(Box::new(source)))
        };
        within(key, put).await
    }

    /// What is kept under `key`, if anything is.
    ///
    /// # Errors
    /// When the bus does not answer within 5 s.
    pub async fn kv_get(&self, key: &str) -> Result<Option<Bytes>, BusError> {
        let get = async {
            let bucket = feed_bucket(&self.jetstream).await?;
            bucket
                .get(key)
                .await
                .map_err(|source| BusError::Read { what: key.to_owned(), source: Box::new(source) })
        };
        within(key, get).await
    }
}

async fn within<T>(what: &str, call: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    match tokio::time::timeout(ANSWER_WITHIN, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(BusError::Away { what: what.to_owned(), waited: ANSWER_WITHIN }),
    }
}
