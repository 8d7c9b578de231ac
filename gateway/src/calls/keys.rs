//! Calls that administer client keys.

use llm2api_proto::{
    ContractError,
    v1::{
        CreateKeyRequest, CreateKeyResponse, DeleteKeyRequest, Key, ListKeysRequest,
        ListKeysResponse, RotateKeyRequest, RotateKeyResponse, UpdateKeyRequest,
        key_service_client::KeyServiceClient,
    },
};

use super::{CALL_TIMEOUT, Caller, Core, sent};
use crate::transport::Transport;

impl Core {
    /// Makes a key.
    pub(crate) async fn create_key(
        &self,
        request: CreateKeyRequest,
        caller: &Caller,
    ) -> Result<CreateKeyResponse, ContractError> {
        let request = caller.request(request);
        self.within(CALL_TIMEOUT, self.keys().create_key(request))
            .await
    }

    /// A page of keys.
    pub(crate) async fn list_keys(
        &self,
        request: ListKeysRequest,
        caller: &Caller,
    ) -> Result<ListKeysResponse, ContractError> {
        let request = caller.request(request);
        self.within(CALL_TIMEOUT, self.keys().list_keys(request))
            .await
    }

    /// Changes a key.
    pub(crate) async fn update_key(
        &self,
        request: UpdateKeyRequest,
        caller: &Caller,
    ) -> Result<Key, ContractError> {
        let request = caller.request(request);
        let response = self
            .within(CALL_TIMEOUT, self.keys().update_key(request))
            .await?;
        sent(response.key)
    }

    /// Gives a key another value.
    pub(crate) async fn rotate_key(
        &self,
        id: String,
        caller: &Caller,
    ) -> Result<RotateKeyResponse, ContractError> {
        let request = caller.request(RotateKeyRequest { id });
        self.within(CALL_TIMEOUT, self.keys().rotate_key(request))
            .await
    }

    /// Removes a key.
    pub(crate) async fn delete_key(
        &self,
        id: String,
        caller: &Caller,
    ) -> Result<(), ContractError> {
        let request = caller.request(DeleteKeyRequest { id });
        self.within(CALL_TIMEOUT, self.keys().delete_key(request))
            .await?;
        Ok(())
    }

    fn keys(&self) -> KeyServiceClient<Transport> {
        KeyServiceClient::new(self.service.rpc.clone()).max_decoding_message_size(usize::MAX)
    }
}
