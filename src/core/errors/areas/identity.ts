// SPDX-License-Identifier: Apache-2.0

/** Certificates and join tokens. */
export const identityErrors = {
    REDGE_IDENTITY_TOKEN_FORMAT: {
        message: "The join token is not one: {reason}",
        cause: "A join token is `<hash of the CA>.<JWT>`, four parts separated by dots; a part was lost in copying.",
        remedy: "Make a new token with `redge token` and copy it whole.",
    },
    REDGE_IDENTITY_TOKEN_INVALID: {
        message: "The join token was not made by this cloud",
        cause: "The token's signature does not match this cloud's CA key: it belongs to another cloud, or it was changed.",
        remedy: "Make a new token on the cloud this node is to join.",
    },
    REDGE_IDENTITY_TOKEN_EXPIRED: {
        message: "The join token expired at {at}",
        cause: "Tokens live for a limited time.",
        remedy: "Make a new token with `redge token`; `--ttl` sets how long it lives.",
    },
    REDGE_IDENTITY_TOKEN_REVOKED: {
        message: "The join token was revoked",
        cause: "An administrator revoked it.",
        remedy: "Make a new token with `redge token`.",
    },
    REDGE_IDENTITY_TOKEN_USED: {
        message: "The join token was used up ({uses} of {uses} times)",
        cause: "The token was made for a limited number of certificates.",
        remedy: "Make a new token. If nobody of yours used it, find out which node joined with it.",
    },
    REDGE_IDENTITY_TOKEN_NODE: {
        message: "The join token is not for node {node}",
        cause: "The token was made for another node name.",
        remedy: "Use the node name the token was made for, or make a token for this name.",
    },
    REDGE_IDENTITY_CERTIFICATE: {
        message: "The certificate presented for node {node} is refused: {reason}",
        cause: "A node renews its certificate with its own, valid one only.",
        remedy: "Join the node again with a new token.",
    },
    REDGE_IDENTITY_CSR: {
        message: "The certificate request for node {node} is refused: {reason}",
        cause: "The request is damaged, or it asks for another name than the node's.",
        remedy: "The common name must be system:node:<node name> and the organization system:nodes.",
    },
    REDGE_IDENTITY_MATERIAL: {
        message: "The {what} in {where} cannot be used: {reason}",
        cause: "A certificate or key file (or Secret) is damaged, or key and certificate do not belong together.",
        remedy: "Restore it from a backup, or remove it to have a new one made (a new CA means that every node joins again).",
    },
    REDGE_IDENTITY_STORAGE: {
        message: "The certificates in {where} could not be read or written: {reason}",
        cause: "The folder or the Secrets are not accessible.",
        remedy: "Check the permissions of the folder, or the access to Secrets.",
    },
    REDGE_IDENTITY_NO_TOKEN: {
        message: "Node {node} has no certificate yet and no join token to get one with",
        cause: "A node joins once, with a token from its cloud.",
        remedy: "Run `redge token` on the cloud and give the token to this node.",
    },
    REDGE_IDENTITY_EXPIRED: {
        message: "The certificate of node {node} expired at {at}",
        cause: "The node was without its cloud for longer than its certificate was valid.",
        remedy: "Run `redge token` on the cloud and give the new token to this node; its data and pods stay.",
    },
    REDGE_IDENTITY_CA_MISMATCH: {
        message: "The cloud at {cloud} is not the one the join token was made by",
        cause: "The hash in the token and the CA that the cloud shows differ: wrong address, a new CA, or somebody in between.",
        remedy: "Check the address, and make a new token on that cloud.",
    },
    REDGE_IDENTITY_REFUSED: {
        message: "The cloud at {cloud} refused to issue a certificate ({status}): {reason}",
        cause: "The token or the certificate was not accepted.",
        remedy: "Make a new token with `redge token` on the cloud and give it to this node.",
    },
    REDGE_IDENTITY_UNREACHABLE: {
        message: "The cloud at {cloud} does not answer: {reason}",
        cause: "The cloud is down, the address or port is wrong, or a firewall is in between.",
        remedy: "Check the address (port 10002). The node keeps trying.",
    },
} as const;
