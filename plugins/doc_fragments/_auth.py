# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

# The options are those of kubernetes.core (AUTH_ARG_SPEC), which reads them. They are described here since documentation
# must render without other collections; a unit test compares both.

from __future__ import annotations


class ModuleDocFragment:
    """How to reach a cluster."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - The kubeconfig, as the path of a file, or as a dictionary with its content, for example from a vault.
      - By default the files that the environment variable C(KUBECONFIG) names, else C(~/.kube/config), else the service
        account of the pod that this runs in. Where none of these options is set, all of them can come from the environment,
        as C(K8S_AUTH_) and the name of the option in capitals.
    type: raw
  context:
    description:
      - The context of the kubeconfig. By default its current context.
    type: str
  host:
    description:
      - The URL of the API server.
    type: str
  api_key:
    description:
      - The bearer token to authenticate with.
    type: str
  username:
    description:
      - The user name, for a proxy that asks for one; Kubernetes itself knows no passwords since 1.19.
    type: str
  password:
    description:
      - The password that belongs to O(username).
    type: str
  validate_certs:
    description:
      - Whether to verify the API server's certificate.
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description:
      - The path of the certificate authority that signed the API server's certificate.
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description:
      - The path of the client certificate to authenticate with.
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - The path of the key that belongs to O(client_cert).
    type: path
    aliases: [key_file]
  proxy:
    description:
      - The URL of an HTTP proxy on the way to the API server.
    type: str
  no_proxy:
    description:
      - Hosts that are reached without the O(proxy), separated by commas.
    type: str
  proxy_headers:
    description:
      - Headers for the O(proxy).
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - User and password for the proxy, separated by a colon.
        type: str
      basic_auth:
        description:
          - User and password for the C(Authorization) header, separated by a colon.
        type: str
      user_agent:
        description:
          - What the client calls itself.
        type: str
  persist_config:
    description:
      - Whether refreshed tokens are written back to the kubeconfig.
    type: bool
  impersonate_user:
    description:
      - Act as this user.
    type: str
  impersonate_groups:
    description:
      - Act as a member of these groups.
    type: list
    elements: str
"""
