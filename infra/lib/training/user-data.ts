/** User data of the instances that jobs run on: a container has the whole notice of EC2 to write a checkpoint. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ec2 from 'aws-cdk-lib/aws-ec2';

/** Of the two minutes' notice that EC2 gives; the rest is for the container to end. */
const STOP_TIMEOUT_SECONDS = 110;

/** Multipart, to which Batch adds a part: it accepts no other. */
export function userData(): ec2.UserData {
  const commands = ec2.UserData.forLinux();
  commands.addCommands(
    // ECS would end a container after 30 seconds.
    `echo ECS_CONTAINER_STOP_TIMEOUT=${STOP_TIMEOUT_SECONDS}s >> /etc/ecs/ecs.config`,
    // Places no other job on the instance. It stops none.
    'echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config',
    copy('spot-notice.sh', '/usr/local/sbin/spot-notice'),
    'chmod 755 /usr/local/sbin/spot-notice',
    copy('spot-notice.service', '/etc/systemd/system/spot-notice.service'),
    `echo STOP_TIMEOUT_SECONDS=${STOP_TIMEOUT_SECONDS} > /etc/default/spot-notice`,
    // What runs user data is a service itself, which others wait for.
    'systemctl enable --now --no-block spot-notice',
  );
  const multipart = new ec2.MultipartUserData();
  multipart.addUserDataPart(commands, ec2.MultipartBody.SHELL_SCRIPT, true);
  return multipart;
}

/** Shell command that makes a file as it lies beside this module. */
function copy(name: string, path: string): string {
  const text = readFileSync(join(import.meta.dirname, name), 'utf8');
  return `cat > ${path} <<'END OF FILE'\n${text}END OF FILE`;
}
