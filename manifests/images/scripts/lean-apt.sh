#!/usr/bin/env bash
# Settings of apt and dpkg for all images: fail when an index cannot be had (apt-get update would
# go on with exit code 0), no recommended packages, no manuals and translations.
set -euo pipefail
cat >/etc/apt/apt.conf.d/90berth <<'APT'
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Retries "3";
APT
cat >/etc/dpkg/dpkg.cfg.d/90berth <<'DPKG'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/gtk-doc/*
DPKG
# Official images empty apt's cache after each use; here a cache mount keeps it out of the layers.
rm -f /etc/apt/apt.conf.d/docker-clean
