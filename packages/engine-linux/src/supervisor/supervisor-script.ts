import localServer from './local-server.pl';
import mountDisk from './mount-disk.pl';
import { perlScript } from './perl-script.js';
import supervisor from './supervisor.pl';
import userNamespace from './user-namespace.pl';

/** The script for `perl -e` on this kind of machine; undefined where its system calls are not known. */
export const supervisorScript: string | undefined = perlScript(
  userNamespace + mountDisk + localServer + supervisor,
);
